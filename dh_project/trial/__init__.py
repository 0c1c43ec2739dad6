"""A trial: its states, attempts, events, and what its run function can say and ask."""
