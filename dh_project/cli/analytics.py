"""``deephyper-analytics``: what is read out of a search's results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dh_project.cli.parser import Parser, positive_int
from dh_project.cli.program import run_program

PROGRAM = "deephyper-analytics"


def make_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog=PROGRAM,
        description="Read a search's results.",
        epilog=f"example:\n  {PROGRAM} topk search/results.csv",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=False)
    topk = commands.add_parser(
        "topk",
        help="print the best trials",
        description="Print the best trials of a results file, today's or one of old DeepHyper, as YAML.",
        epilog=f"example:\n  {PROGRAM} topk results.csv -k 3 -o best.json",
    )
    topk.add_argument("path", type=Path, help="results.csv of a search")
    topk.group("what to print").add_argument(
        "-k", type=positive_int, default=1, metavar="N", help="how many (1)"
    )
    topk.group("where to").add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write a .json, .yaml or .csv instead"
    )
    topk.set_defaults(command=run_topk)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return run_program(make_parser(), arguments)


def run_topk(arguments: argparse.Namespace) -> int:
    """Print the best trials, or write them to a file."""
    from dh_project.analytics.topk import as_yaml, entries, top_results, write

    results = top_results(arguments.path, arguments.k)
    if arguments.output is None:
        print(as_yaml(entries(results)))
    else:
        write(arguments.path, results, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
