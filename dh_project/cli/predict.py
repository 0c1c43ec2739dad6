"""``deephyper predict``: predictions of a trained network for crystals, as a CSV table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from dh_project.cli.model import import_part, refusals
from dh_project.cli.parser import or_none, positive_float, positive_int

DESCRIPTION = """\
Predict properties of crystals with a trained CGCNN.

The table goes to standard output, or to a file with -o. Its columns are id and prediction, and if the data has
labels, label and error (prediction minus label), in the unit of the labels of the training. For a classification, the
prediction is the probability of class 1.
With several targets, columns are called prediction:<name> and so on. Standard error shows how many crystals were
predicted, how well, and which were left out and why. The command fails only if no crystal can be predicted.
"""

EPILOG = """\
CHECKPOINT is a file, a web address, a training folder, or a trial of a search: SEARCH:7, SEARCH:best (the best
objective), SEARCH:last (the trial that ended last). A folder and a trial stand for the weights of the best epoch.
Name another file with SEARCH:7:last (the last epoch) or SEARCH:7:FILE.
Files of the original CGCNN (.pth.tar) do not contain the number of neighbours: its default, 12, is assumed. The
radius follows from the number of Gaussians (41: 8 Å). Elements are described by the atom_init.json of the data, or by
the table of the paper if there is none.

examples:
  deephyper predict search:best my_crystals -o predictions.csv
  deephyper predict https://example.org/formation-energy.pth.tar NaCl.cif
  deephyper predict formation-energy-per-atom.pth.tar NaCl.cif KCl.cif
"""


def add_command(commands: Any) -> None:
    """Add ``predict`` to the commands."""
    parser = commands.add_parser(
        "predict",
        help="predict crystals with a checkpoint, ours or the original CGCNN's",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.set_defaults(command=run)
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="best.pt, model.pth.tar, https://…, SEARCH:7, SEARCH:best",
    )
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="CIF files, a folder of CIF files, or a data set: a folder with id_prop.csv, a tar file of one, flla",
    )
    output = parser.add_argument_group("the table")
    output.add_argument("-o", "--output", type=Path, metavar="FILE", help="a .csv file for the table")
    output.add_argument(
        "--label",
        type=or_none(str),
        metavar="NAME",
        help="label to compare with; several with commas (those of the training)",
    )
    graphs = parser.add_argument_group("graphs")
    graphs.add_argument(
        "--max-num-nbr",
        type=or_none(positive_int),
        metavar="N",
        help="neighbours of each atom (the checkpoint's)",
    )
    graphs.add_argument(
        "--radius", type=or_none(positive_float), metavar="R", help="cutoff radius, Å (the checkpoint's)"
    )
    graphs.add_argument(
        "--ties",
        type=or_none(str),
        metavar="T",
        help="which of equally distant neighbours are kept: environment; pymatgen as the original code does; "
        "original, which also fills up missing neighbours as that does (the checkpoint's; for files of the original "
        "pymatgen)",
    )
    where = parser.add_argument_group("device")
    where.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1 (auto)")
    where.add_argument(
        "--batch-size",
        type=or_none(positive_int),
        metavar="N",
        help="crystals per batch (chosen by device)",
    )
    where.add_argument("--threads", type=positive_int, default=1, metavar="N", help="CPU threads (1)")
    graphs.add_argument(
        "--cache-folder", type=or_none(Path), metavar="DIR", help="folder for prepared graphs"
    )


def run(arguments: argparse.Namespace) -> int:
    """Predict, write the table, and print a summary."""
    from dh_project.common.files import check_output

    output = arguments.output
    with refusals():
        checkpoint = import_part("training.checkpoint_path").find_checkpoint(arguments.checkpoint)
        tables = [Path(data) / name for data in arguments.data for name in ("id_prop.csv", "labels.csv")]
        check_output(output, (".csv",), inputs=tables)
        predictions = import_part("predict").predict(
            checkpoint,
            arguments.data,
            label=arguments.label,
            max_num_nbr=arguments.max_num_nbr,
            radius=arguments.radius,
            ties=arguments.ties,
            device=arguments.device,
            batch_size=arguments.batch_size,
            threads=arguments.threads,
            cache_folder=arguments.cache_folder,
        )
        metrics = predictions.metrics()
        _write(output, predictions.rows())
    _tell(predictions, metrics, output)
    return 0


def _write(output: Path | None, rows: list[dict[str, Any]]) -> None:
    """Write the table atomically to a file, or to standard output until the reader closes it.

    Raises:
        OSError: The file cannot be written.
    """
    from dh_project.common.files import table_text, write_whole

    if output is not None:
        try:
            write_whole(output, table_text(rows))
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; nothing was written", str(output)) from error
        return
    try:
        sys.stdout.write(table_text(rows))
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = Path("/dev/null").open("w")  # noqa: SIM115 (for the rest of the process)


def _tell(predictions: Any, metrics: dict[str, tuple[int, dict[str, float]]], output: Path | None) -> None:
    """Print on standard error how many crystals were predicted, how well, and which were left out."""
    left_out = predictions.left_out
    lines = [
        f"checkpoint  {predictions.checkpoint}",
        f"graphs      {predictions.graphs}",
        f"predicted   {len(predictions.ids):,} crystals of {predictions.data}",
        f"unit        {predictions.unit}",
    ]
    for name, (number, values) in metrics.items():
        shown = ", ".join(f"{metric} {value:.6g}" for metric, value in values.items())
        lines.append(f"error       {shown} (of {number:,} with the label {name})")
    if left_out:
        lines.append(f"left out    {len(left_out):,}")
        lines += [f"  {identifier}: {reason}" for identifier, reason in left_out.items()]
    if predictions.notes:
        lines.append(f"remarks     {len(predictions.notes):,}")
        lines += [f"  {identifier}: {note}" for identifier, note in predictions.notes.items()]
    if output is not None:
        lines.append(f"wrote       {output}")
    print("\n".join(lines), file=sys.stderr)
