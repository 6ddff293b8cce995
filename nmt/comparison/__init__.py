"""Compares variants: which one is better, by how much, how surely, at what cost."""
