"""``deephyper train``: train one configuration without a search."""

from __future__ import annotations

import argparse
import shlex
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from dh_project.cli.model import import_part, refusals
from dh_project.cli.parser import Parser, at_least_two
from dh_project.common.console import tell
from dh_project.common.errors import UserError

FOLDER = "training"

DESCRIPTION = """\
Train one configuration of CGCNN without a search.

Files in the folder: best.pt (weights of the best epoch), last.pt (state after the last epoch), history.csv,
metrics.json, predictions.csv, residuals_by_element.csv, config.json (the given settings, for --config), and figures
as png and pdf: training_curve, parity or roc, residuals_by_element and residuals_periodic_table.
"""

EPILOG = """\
examples:
  deephyper train my_crystals --lr 0.01 --optim Adam --batch-size 128 --epochs 100
  deephyper train --config best.json --folder best --epochs 300 --patience none
  deephyper train --folder best --resume
  deephyper train --folder longer --resume search:best --epochs 300
  deephyper train --folder runs --timestamp

To convert the weights for the programs of the original CGCNN:
  python -m dh_project.cgcnn_mp.training.original_checkpoint training weights.pth.tar
"""


def add_command(commands: Any) -> None:
    """Add ``train`` to the commands; the options of the model are added when the command is parsed."""
    parser = commands.add_parser(
        "train",
        help="train one configuration without a search",
        description=DESCRIPTION,
        epilog=EPILOG,
        argument_default=argparse.SUPPRESS,
    )
    parser.set_defaults(
        command=run, config=None, folder=Path(FOLDER), timestamp=False, resume=False, different_seeds=None
    )
    parser.add_argument(
        "data", nargs="?", metavar="DATA", help="flla, a folder with id_prop.csv, or a tar file of one (flla)"
    )
    training = parser.add_argument_group("the training")
    training.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings: a JSON object, or best.json or results.csv of a search; options replace them",
    )
    training.add_argument("--folder", type=Path, metavar="DIR", help=f"folder for the files ({FOLDER})")
    training.add_argument(
        "--timestamp", action="store_true", help="train into a new folder in DIR, named by date and time"
    )
    training.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="CHECKPOINT",
        help="resume the training in the folder, or that of a checkpoint into the folder",
    )
    training.add_argument(
        "--different-seeds",
        type=at_least_two,
        metavar="N",
        help="train with N seeds, into DIR/seed-0 and so on, and print mean and standard deviation",
    )
    parser.complete = add_options


def add_options(parser: Parser) -> None:
    """Add an option for each setting of a training."""
    configuration = import_part("training.configuration")
    for name, default in configuration.DEFAULTS.items():
        if name == "data":
            continue
        flag, group = f"--{name.replace('_', '-')}", parser.group(_group(configuration, name))
        text = configuration.explanations()[name].rstrip(".").replace("%", "%%")
        help_text = f"{text} ({_shown(default)})"
        if isinstance(default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=help_text)
        else:
            read, choices = partial(_read, configuration, name), configuration.choices(name)
            group.add_argument(flag, type=read, choices=choices, metavar=name[0].upper(), help=help_text)


def _group(configuration: Any, name: str) -> str:
    return "hyperparameters" if name in configuration.HYPERPARAMETERS else "how to train"


def _read(configuration: Any, name: str, text: str) -> Any:
    try:
        return configuration.read_option(name, text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _shown(default: Any) -> str:
    if default is None:
        return "none"
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def run(arguments: argparse.Namespace) -> int:
    """Train, or resume a training, and print its metrics."""
    with refusals():
        settings = import_part("training.configuration").DEFAULTS
        given = {name: value for name, value in vars(arguments).items() if name in settings}
        if arguments.timestamp:
            arguments.folder = _new_folder(arguments)
        if arguments.config is not None:
            read_configuration = import_part("training.configuration_files").read_configuration
            given = read_configuration(arguments.config) | given
        training = import_part("training.start_or_resume")
        start = training.resume if arguments.resume is True else training.start
        if isinstance(arguments.resume, str):
            start = partial(training.resume_from, arguments.resume)
        if arguments.different_seeds is not None:
            start = partial(_train_with_seeds, arguments)
        try:
            start(arguments.folder, given, say=tell)
        except FloatingPointError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(_interrupted(arguments, training.LAST), file=sys.stderr)
            return 130
    return 0


def _new_folder(arguments: argparse.Namespace) -> Path:
    """Return a new folder named by the time, to the microsecond, because jobs may start together."""
    if arguments.resume is True:
        raise UserError(
            "--timestamp: there is nothing to resume in a new folder; name the folder of the training with --folder"
        )
    folder: Path = arguments.folder
    return folder / f"{datetime.now():%Y-%m-%dT%H-%M-%S.%f}"


def _train_with_seeds(arguments: argparse.Namespace, folder: Path, given: dict[str, Any], say: Any) -> None:
    """Train with several seeds."""
    if isinstance(arguments.resume, str):
        raise UserError(
            "--different-seeds: a checkpoint has one seed; leave out the checkpoint or --different-seeds"
        )
    train_with_seeds = import_part("training.seeds").train_with_seeds
    train_with_seeds(folder, given, arguments.different_seeds, resume=arguments.resume is True, say=say)


def _interrupted(arguments: argparse.Namespace, last: str) -> str:
    """Return the message after Ctrl-C, which says how to resume."""
    folder: Path = arguments.folder
    where = "" if folder == Path(FOLDER) else f" --folder {shlex.quote(str(folder))}"
    if arguments.different_seeds is not None:
        seeds = f" --different-seeds {arguments.different_seeds}"
        return f"interrupted; finished seeds are kept. Resume with: deephyper train …{where}{seeds} --resume"
    if not (folder / last).is_file():
        return "interrupted before the first epoch was finished; the same command starts again"
    return f"interrupted; finished epochs are kept. Resume with: deephyper train{where} --resume"
