"""The options that the benchmarks share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from peers import ORIGINAL_VARIABLE
from samples import crystal_folder, default_data

QUICK = 120


def parser(description: str | None, rounds: int = 3) -> argparse.ArgumentParser:
    """Return a parser with the shared options; ``description`` is the script's docstring."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--data", default=default_data(), help="flla, a folder in the original's layout, or an archive of one"
    )
    made.add_argument("--crystals", type=int, help="how many of them; by default 3,000, and all of flla")
    made.add_argument(
        "--original",
        type=Path,
        default=os.environ.get(ORIGINAL_VARIABLE) or None,
        help=f"a clone of txie-93/cgcnn; by default ${ORIGINAL_VARIABLE}",
    )
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--quick", action="store_true", help="a few crystals, to see that it runs")
    return made


def sample_folder(options: argparse.Namespace) -> Path:
    """Return the folder of CIF files that the options ask for."""
    if options.quick:
        options.rounds = 1
        options.crystals = min(options.crystals or QUICK, QUICK)
    return crystal_folder(options.data, options.crystals)
