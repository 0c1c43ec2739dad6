"""One training of any model outside a search."""
