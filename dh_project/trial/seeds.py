"""Seeds: numbers that a search's seed determines, for its trials."""

from __future__ import annotations

import hashlib


def seed_of(*numbers: int) -> int:
    """Return a number below 2**64 that is as good as random, and always the same for the same numbers.

    >>> seed_of(42, 0) == seed_of(42, 0), seed_of(42, 0) == seed_of(42, 1)
    (True, False)
    """
    text = ",".join(str(int(number)) for number in numbers)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
