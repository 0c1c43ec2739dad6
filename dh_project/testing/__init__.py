"""Contract tests that every searcher, stopper and evaluator passes, to be inherited by your own (needs pytest)."""
