"""Corpora, cleaning, tokenizers; from text to ids on disk."""
