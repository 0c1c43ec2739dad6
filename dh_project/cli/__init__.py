"""The commands: one file a command, parsing and printing only."""
