"""Word alignments as data: texts, links, formats, symmetrization, error rate."""
