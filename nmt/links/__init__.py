"""Word alignments as data: texts, formats, symmetrization, error rate."""
