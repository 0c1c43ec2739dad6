"""Tests that extensions of this package inherit: what every searcher and every evaluator promises."""
