"""What the shell is offered at a Tab: commands, options, and the values below; argcomplete speaks with the shell.

Values are looked up when they are asked for, and each lookup imports what it needs and no more: a Tab is to be quick.
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
"""Gives the names that are valid for a value, from what the line says so far."""


def complete(parser: Parser) -> None:
    """Print what the line that the shell tells of can go on with, and end the process.

    Args:
        parser: Of the program. Options that are slow to find are added where the line may be of their command.
    """
    words = os.environ["COMP_LINE"].split()
    for command in parser.commands():
        if command.prog.rpartition(" ")[2] in words:
            command.find_options()
    gone = ["nas"]  # a kind of new-problem that only says what took its place
    autocomplete(parser, always_complete_options="long", exclude=gone, default_completer=Values())


class Values(BaseCompleter):
    """Knows the values of an option or an argument: names, and files by what they end in."""

    def __call__(
        self, *, prefix: str, action: argparse.Action, parsed_args: argparse.Namespace, **_: object
    ) -> list[str]:
        """Return what may stand there, whether or not it begins with the prefix."""
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
    """Return the queues of the site that the line names."""
    from dh_project.hpc.sites.site import load_site

    try:
        return list(load_site(parsed.site).queues)
    except (AttributeError, UserError):  # it names none, or none that can be read
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
    from dh_project.search.stoppers import STOPPERS

    return STOPPERS


def _surrogates(_: argparse.Namespace) -> Iterable[str]:
    from dh_project.search.searchers.settings import SURROGATES

    return SURROGATES


def _acquisitions(_: argparse.Namespace) -> Iterable[str]:
    from dh_project.search.searchers.settings import ACQUISITIONS

    return ACQUISITIONS


def _job_states(_: argparse.Namespace) -> list[str]:
    from dh_project.hpc.balsam.client.models import JobState

    return [state.lower() for state in JobState]


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
    "--warm-start": (_none, ("csv",)),
    "--config": (_none, ("json", "csv")),
    "what": (lambda _: ["hps"], ()),
    "path": (_none, ("csv",)),
    "name": (_none, ()),
    "workflow": (_none, ()),
    "ids": (_none, ()),
}
"""Of an option by its name, of an argument by its own: the names to offer, and what the files to offer end in.

Where an option's parser has its choices, those are offered; where neither is said, all files.
"""
