"""Balsam's environment, database, server, site and agent: made, mended, started and stopped."""
