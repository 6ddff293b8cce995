"""Attention(query, keys, values) = normalize(score(query, keys)) · values, and all that varies in it."""
