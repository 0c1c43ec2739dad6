"""Running one point of any problem outside a search."""
