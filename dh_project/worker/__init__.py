"""The worker: runs one trial at a time, each in a child process of its own, whatever the evaluator."""
