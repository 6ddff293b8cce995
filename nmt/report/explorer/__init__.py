"""The interactive explorer of attention: the data of a page, and the page."""
