"""Attention that one can touch: the data of a page, and the page."""
