"""``deephyper new-problem``: creates a problem in a project from a template."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dh_project.cli.parser import Parser
from dh_project.common.errors import UserError

DESCRIPTION = """\
Create a problem in the project of the working directory: its space (problem.py), its run function (model_run.py), its
data (load_data.py), scripts that run the baseline and the best trial of a search (default_config.py, best_config.py),
a test, and job scripts.
"""

EPILOG = """\
templates:
{templates}

examples:
  deephyper new-problem hps polynome2
  deephyper new-problem hps my_crystals --template cgcnn --with data=~/crystals
"""

NO_NAS = (
    "new-problem nas: DeepHyper has no architecture search any more; describe the architecture by hyperparameters: "
    "deephyper new-problem hps {name}"
)


def add_command(commands: Any) -> None:
    """Add ``new-problem`` to the commands. Templates are only looked up if the command is used."""
    parser = commands.add_parser(
        "new-problem", help="create a problem in a project from a template", description=DESCRIPTION
    )
    parser.add_argument(
        "kind", choices=("hps", "nas"), metavar="hps", help="hps: a search for hyperparameters"
    )
    parser.add_argument("name", metavar="NAME", help="name of the problem, a Python identifier")
    begin = parser.add_argument_group("template")
    begin.add_argument("--template", metavar="T", default=None, help="name of a template, see below (torch)")
    begin.add_argument(
        "--with",
        dest="options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="options of the template, see below",
    )
    parser.set_defaults(command=run)
    parser.complete = describe_templates


def describe_templates(parser: Parser) -> None:
    """Add the templates and their options to the end of the help."""
    from dh_project.scaffold.template import load_template, template_names

    lines = []
    for template in map(load_template, template_names()):
        lines.append(f"  {template.name:10} {template.description}")
        lines += [f"  {'':10}   {name}=…  {option.help}" for name, option in template.options.items()]
    parser.epilog = EPILOG.format(templates="\n".join(lines))


def run(arguments: argparse.Namespace) -> int:
    """Create a problem, and print the next steps."""
    from dh_project.scaffold.problem import new_problem
    from dh_project.scaffold.project import find_project, install_command
    from dh_project.scaffold.template import DEFAULT, load_template
    from dh_project.scaffold.tree import show_tree

    if arguments.kind == "nas":
        raise UserError(NO_NAS.format(name=arguments.name))
    project = find_project(Path.cwd())
    template = load_template(arguments.template or DEFAULT)
    made = new_problem(project, arguments.name, template, arguments.options)
    folder = os.path.relpath(made.folder)
    print(show_tree(folder, made.files))
    if not project.is_importable():
        command = shlex.join(install_command(project.root))
        print(
            f"note       {project.package} is not installed from here, so Python does not find it; run: {command}"
        )
    print(f"next       python {folder}/default_config.py")
    install = "" if find_spec("pytest") else f"  (first: {sys.executable} -m pip install pytest)"
    print(f"           pytest {folder}{install}")
    print(f"           deephyper hps ambs --evaluator process --max-evals 20 --log-dir search/{made.name} \\")
    print(f"               --problem {made.problem} --run {made.run}")
    print(f"           deephyper-analytics topk search/{made.name}")
    print(f"           python {folder}/best_config.py")
    return 0
