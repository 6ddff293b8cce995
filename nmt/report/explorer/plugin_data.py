"""What the log and the tab of TensorBoard agree on."""

EVENTS = "tensorboard"  # the folder of a run that has them
PLUGIN = "nmt_attention"
STEPS = "/steps"  # behind the name of a text: the tag of its steps
