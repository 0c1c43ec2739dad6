"""Completion by the shell of commands, options and their values, by argcomplete.

Values are looked up only when they are needed, and each lookup imports as little as possible, to be fast.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable

from argcomplete import autocomplete
from argcomplete.completers import BaseCompleter, FilesCompleter

from dh_project.cli.parser import Parser
from dh_project.common.errors import UserError

Names = Callable[[argparse.Namespace], Iterable[str]]
"""Returns the valid names for a value, given the arguments so far."""


def complete(parser: Parser) -> None:
    """Print the completions of the shell's command line, and end the process.

    Args:
        parser: Parser of the program. Options that are slow to find are added if the line names their command.
    """
    words = os.environ["COMP_LINE"].split()
    for command in parser.commands():
        if command.prog.rpartition(" ")[2] in words:
            command.find_options()
    gone = ["nas"]  # a kind of new-problem that only names its replacement
    autocomplete(parser, always_complete_options="long", exclude=gone, default_completer=Values())


class Values(BaseCompleter):
    """Completes the values of an option or an argument by names, and by files with certain endings."""

    def __call__(
        self, *, prefix: str, action: argparse.Action, parsed_args: argparse.Namespace, **_: object
    ) -> list[str]:
        """Return the valid values; argcomplete selects those with the prefix."""
        for name in action.option_strings or [action.dest]:
            if name in VALUES:
                names, endings = VALUES[name]
                return [*names(parsed_args), *(FilesCompleter(endings)(prefix) if endings else ())]
        return FilesCompleter()(prefix)


def _none(_: argparse.Namespace) -> list[str]:
    return []


def _sites(_: argparse.Namespace) -> list[str]:
    from dh_project.hpc.sites.names import site_names

    return site_names()


def _queues(parsed: argparse.Namespace) -> list[str]:
    """Return the queues of the site on the command line."""
    from dh_project.hpc.sites.site import load_site

    try:
        return list(load_site(parsed.site).queues)
    except (AttributeError, UserError):  # there is no site, or it cannot be read
        return []


def _templates(_: argparse.Namespace) -> list[str]:
    from dh_project.scaffold.template import template_names

    return template_names()


def _problems(_: argparse.Namespace) -> list[str]:
    from dh_project.user_code.projects import problems, projects

    return [name for project in projects() for name in problems(project)]


def _evaluators(_: argparse.Namespace) -> Iterable[str]:
    from dh_project.evaluators import evaluator_names

    return evaluator_names()


def _stoppers(_: argparse.Namespace) -> Iterable[str]:
    from dh_project.hps.stoppers import STOPPERS

    return [*STOPPERS, "none"]


def _surrogates(_: argparse.Namespace) -> Iterable[str]:
    from dh_project.hps.searchers.settings import SURROGATES

    return SURROGATES


def _acquisitions(_: argparse.Namespace) -> Iterable[str]:
    from dh_project.hps.searchers.settings import ACQUISITIONS

    return ACQUISITIONS


def _job_states(_: argparse.Namespace) -> list[str]:
    from dh_project.hpc.balsam.client.models import JobState

    return [state.lower() for state in JobState]


def _settings_of_training(name: str) -> Names:
    """Return a function that returns the values of a setting of CGCNN."""

    def names(_: argparse.Namespace) -> Iterable[str]:
        from dh_project.cli.model import import_part

        return import_part("training.configuration").choices(name) or ()

    return names


VALUES: dict[str, tuple[Names, tuple[str, ...]]] = {
    "site": (_sites, ("toml",)),
    "--queue": (_queues, ()),
    "--template": (_templates, ()),
    "--problem": (_problems, ("py",)),
    "--run": (_problems, ("py",)),
    "--evaluator": (_evaluators, ()),
    "--stopper": (_stoppers, ("py",)),
    "--surrogate-model": (_surrogates, ()),
    "--acq-func": (_acquisitions, ()),
    "--state": (_job_states, ()),
    "--ties": (_settings_of_training("ties"), ()),
    "--device": (lambda _: ["auto", "cpu", "cuda"], ()),
    "--warm-start": (_none, ("csv",)),
    "--config": (_none, ("json", "csv")),
    "what": (lambda _: ["hps"], ()),
    "path": (_none, ("csv",)),
    "name": (_none, ()),
    "workflow": (_none, ()),
    "ids": (_none, ()),
}
"""By option or argument: the function that returns the names, and the endings of files.

An option with ``choices`` in its parser is completed by these. Everything else is completed by all files.
"""
