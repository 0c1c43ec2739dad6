"""Requests to a Balsam server."""
