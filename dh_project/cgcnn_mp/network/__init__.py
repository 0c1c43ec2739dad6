"""The crystal graph network."""
