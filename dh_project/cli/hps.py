"""``deephyper hps ambs`` and ``deephyper hps random``: a hyperparameter search."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from dh_project.cli import hps_options as options
from dh_project.cli.hps_settings import settings_of

DESCRIPTION = """\
Search for the hyperparameters that maximise the objective of a run function.

Each trial runs in its own process. The folder of --log-dir has the results, and a folder for each trial.
"""

EXAMPLE = """\
example:
  deephyper hps {name} --evaluator ray --num-workers 2 --max-evals 50 \\
      --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run

The same command again continues the search.
"""


def add_command(commands: Any) -> None:
    """Add ``hps`` to the commands."""
    hps = commands.add_parser(
        "hps", help="search for hyperparameters", description=DESCRIPTION, epilog=EXAMPLE.format(name="ambs")
    )
    searches = hps.add_subparsers(title="searches", metavar="SEARCH", required=False)
    for name, text in (
        ("ambs", "asynchronous model-based search (DeepHyper's CBO)"),
        ("random", "random search"),
    ):
        parser = searches.add_parser(name, help=text, description=text, epilog=EXAMPLE.format(name=name))
        parser.set_defaults(command=run, searcher=name)
        options.add_options(parser)
        if name == "ambs":
            options.add_ambs_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run or continue a search, and print its summary."""
    from dh_project.common.signals import ending_at_once
    from dh_project.hps.session import run_search
    from dh_project.hps.summary import print_summary
    from dh_project.results.search_results import exit_status

    settings = settings_of(arguments)
    with ending_at_once():  # until the search handles signals
        summary = partial(print_summary, max_trials=settings.max_trials)
        return exit_status(run_search(settings, fresh="fresh" in arguments, at_end=summary))
