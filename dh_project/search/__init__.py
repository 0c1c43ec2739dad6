"""The search: its settings, its loop, and the searchers and stoppers that steer it."""
