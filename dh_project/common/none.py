"""How None is written on a command line."""


def is_none(text: str) -> bool:
    """Return whether a text stands for None: ``none`` or ``null``, in any case."""
    return text.lower() in ("none", "null")
