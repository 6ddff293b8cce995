"""From ids on disk to the tensors of an update."""
