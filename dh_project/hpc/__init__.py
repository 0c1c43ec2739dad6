"""Supercomputers: sites and their schedulers, and Balsam."""
