"""Balsam: its environment, its server and site, its REST interface, and the jobs that a search makes of trials."""
