"""``deephyper-analytics``: prints the best trials of a search and draws its results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dh_project.cli.parser import Parser, positive_int
from dh_project.cli.program import run_program

PROGRAM = "deephyper-analytics"

QUICKPLOT = """\
Draw the trials of a search, or the learning curves of trainings, into a picture file. Nothing is shown on the screen.
Failed trials are marked. Several files of the same kind are drawn into one picture.
"""


def make_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog=PROGRAM,
        description="Print and draw the results of a search.",
        epilog=f"examples:\n  {PROGRAM} topk search/results.csv\n  {PROGRAM} quickplot search/results.csv",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=False)
    topk = commands.add_parser(
        "topk",
        help="print the best trials",
        description="Print the best trials of a results file (also of old DeepHyper) as YAML.",
        epilog=f"example:\n  {PROGRAM} topk results.csv -k 3 -o best.json",
    )
    topk.add_argument("path", type=Path, metavar="PATH", help="a search's folder, or its results.csv")
    topk.group("what to print").add_argument(
        "-k", type=positive_int, default=1, metavar="N", help="number of trials (1)"
    )
    topk.group("output").add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write a .json, .yaml or .csv file instead"
    )
    topk.set_defaults(command=run_topk)

    lineage = commands.add_parser(
        "lineage",
        help="export the schedule of hyperparameters of a trial",
        description="Print with which hyperparameters a trial was trained, from which step to which, as YAML. In a "
        "search by population-based training, a trial begins from the checkpoint of its parent.",
        epilog=f"example:\n  {PROGRAM} lineage search/results.csv -o schedule.json",
    )
    lineage.add_argument("path", type=Path, metavar="PATH", help="a search's folder, or its results.csv")
    lineage.group("what to print").add_argument(
        "--trial", type=int, metavar="ID", help="id of the trial (the best one)"
    )
    lineage.group("output").add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write a .json or .yaml file instead"
    )
    lineage.set_defaults(command=run_lineage)

    quickplot = commands.add_parser(
        "quickplot",
        help="draw the trials, or learning curves, into a file",
        description=QUICKPLOT,
        epilog=f"example:\n  {PROGRAM} quickplot search/results.csv --xy lr objective -o lr.png",
    )
    quickplot.add_argument(
        "path",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="results.csv of a search, reports.csv or history.csv of a training, a folder with one of them, or a "
        "trial as SEARCH:7 or SEARCH:best",
    )
    quickplot.group("what to draw").add_argument(
        "--xy",
        nargs=2,
        metavar=("X", "Y"),
        help="names of two columns (elapsed_sec and objective; for a training, step and validation metric)",
    )
    quickplot.group("output").add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="a .png, .svg, .pdf, .jpg or .webp file (quickplot.png beside the first PATH)",
    )
    quickplot.set_defaults(command=run_quickplot)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return run_program(make_parser(), arguments)


def run_topk(arguments: argparse.Namespace) -> int:
    """Print the best trials, or write them to a file. Name the model's choice on standard error if it is another."""
    from dh_project.hps.model_choice import model_choice_beside
    from dh_project.results.topk import as_yaml, entries, top_results, write

    path = arguments.path / "results.csv" if arguments.path.is_dir() else arguments.path
    results = top_results(path, arguments.k)
    if line := model_choice_beside(path):
        print(line, file=sys.stderr)
    if arguments.output is None:
        print(as_yaml(entries(results)))
    else:
        write(path, results, arguments.output)
    return 0


def run_lineage(arguments: argparse.Namespace) -> int:
    """Print the schedule of a trial, or write it to a file."""
    from dh_project.results.lineage import schedule_of

    folder = arguments.path if arguments.path.is_dir() else arguments.path.parent
    schedule_of(folder, arguments.trial).write(arguments.output)
    return 0


def run_quickplot(arguments: argparse.Namespace) -> int:
    """Draw results or learning curves, and print the path of the picture and the number of trials or epochs."""
    from dh_project.analysis.quickplot import quickplot

    print(quickplot(arguments.path, arguments.xy, arguments.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
