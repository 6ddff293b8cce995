"""Attention(query, keys, values) = normalize(score(query, keys)) · values, and its parts."""
