"""Analysis of the results of searches."""
