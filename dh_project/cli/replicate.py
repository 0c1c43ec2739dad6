"""``deephyper replicate``: run the best configurations of a search again with several seeds, and compare them."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from dh_project.cli import hps_options as options
from dh_project.cli.hps_settings import settings_of
from dh_project.cli.parser import Parser, at_least_two, natural, positive_int

SEEDS, TOP, FOLDER = 5, 1, Path("replicate")

DESCRIPTION = """\
Run the best configurations of a search and its default configuration (the first starting point) again with several
seeds, and say which of them differ significantly.

The best trial of a search owes a part of its objective to chance. Its mean over new seeds does not. The test is that
of Games and Howell: Welch's t-test, corrected for the number of configurations, at the level of 5 %.
"""

EPILOG = """\
examples:
  deephyper replicate search
  deephyper-analytics topk search -k 3 -o best.json && deephyper replicate best.json --top 3 --seeds 10

The same command again continues after an interruption, and with more --seeds.
"""


def add_command(commands: Any) -> None:
    """Add ``replicate`` to the commands."""
    parser: Parser = commands.add_parser(
        "replicate",
        help="run the best configurations again with several seeds",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.set_defaults(command=run)
    parser.add_argument(
        "source",
        type=Path,
        metavar="PATH",
        help="best.json that topk wrote, results.csv, or a search's folder",
    )
    what = parser.add_argument_group("what to run", argument_default=argparse.SUPPRESS)
    what.add_argument(
        "--seeds",
        type=at_least_two,
        default=SEEDS,
        metavar="N",
        help=f"trials of each configuration ({SEEDS})",
    )
    what.add_argument(
        "--top", type=positive_int, default=TOP, metavar="N", help=f"number of best configurations ({TOP})"
    )
    what.add_argument("--problem", metavar="P", help="the problem (that of the search)")
    what.add_argument("--run", "--run-function", metavar="R", help="the run function (that of the search)")
    what.add_argument(
        "--run-kwargs",
        nargs="+",
        metavar="KEY=VALUE",
        help="arguments of run that replace those of the search: epochs=100",
    )
    what.add_argument(
        "--seed", "--random-state", type=natural, metavar="N", help="seed of the trials' random numbers (43)"
    )
    output = parser.add_argument_group("output", argument_default=argparse.SUPPRESS)
    output.add_argument("--log-dir", type=Path, metavar="DIR", help=f"folder of the trials ({FOLDER})")
    output.add_argument(
        "--fresh", action="store_true", help="begin anew; an earlier replication is moved aside, not deleted"
    )
    output.add_argument(
        "-o", "--output", type=Path, default=None, metavar="FILE", help="a .json or .csv file for the table"
    )
    options.add_places(parser)
    options.add_limits(options.limits_of(parser))


def run(arguments: argparse.Namespace) -> int:
    """Run or continue a replication, and print what it has found."""
    from dh_project.common.console import tell
    from dh_project.common.files import check_output
    from dh_project.common.key_values import parse_key_values
    from dh_project.common.signals import ending_at_once
    from dh_project.hps.replication import replication_of
    from dh_project.hps.replication_summary import FORMATS, print_replication
    from dh_project.hps.session import run_search
    from dh_project.results.search_results import exit_status
    from dh_project.trial.ranks import is_follower

    check_output(arguments.output, FORMATS, inputs=[arguments.source])
    given = vars(arguments)
    with ending_at_once():  # until the search handles signals
        replication = replication_of(
            arguments.source,
            arguments.seeds,
            arguments.top,
            given.pop("log_dir", FOLDER),
            given.pop("problem", None),
            given.pop("run", None),
            parse_key_values(given.pop("run_kwargs", [])),
        )
        settings = settings_of(arguments, replication.settings)
        if not is_follower():
            for note in replication.notes:
                tell(note)
        show = partial(print_replication, replication=replication, output=arguments.output)
        return exit_status(run_search(settings, fresh="fresh" in arguments, at_end=show))
