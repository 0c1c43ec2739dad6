"""A search and its trials as Balsam jobs."""
