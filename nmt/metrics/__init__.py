"""BLEU, chrF and TER, what makes them doubtful, and which of two is better."""
