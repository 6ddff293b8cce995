"""Which of several variants is better, by how much, how surely, at what cost."""
