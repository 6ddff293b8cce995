"""The schema of a configuration, what is wrong with one, and its settings in words."""
