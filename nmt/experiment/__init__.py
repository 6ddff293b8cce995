"""A training from start to end: its parts, its folder, its ends."""
