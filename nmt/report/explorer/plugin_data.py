"""Names that the log and the tab of TensorBoard share."""

EVENTS = "tensorboard"  # the folder of an older run that has them; now they are in the run's own
PLUGIN = "nmt_attention"
STEPS = "/steps"  # behind the name of a text: the tag of its steps
