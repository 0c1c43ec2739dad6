"""Crystals: where structures and labels come from, and how they are split."""


class DataError(ValueError):
    """Data or data settings that cannot be used. The message is one line: what, which, why, and what to do."""
