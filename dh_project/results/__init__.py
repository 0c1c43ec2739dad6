"""The record of a search on disk: the journal, and the views of it."""
