"""The required figures in one table, on this machine, in about five minutes; ``make bench`` prints it.

    python benchmarks/cgcnn/required.py --original CLONE

Each row is one of ``graphs.py``, ``epoch.py``, ``inference.py`` and ``trial.py``, which measure more, say how, and
give the spread. Ratios are speeds over the original CGCNN's, unless the row names another, in one thread. Without a
clone of the original, cgcnn2's network, which has kept its lines, stands in for its network.
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

from dh_project.cgcnn_mp.crystals.sources import SHIPPED

Row = tuple[str, str, str | None, str]
"""What, at least, measured (None: left out), aim."""


def measure(folder: Path, original: Path | None, rounds: int, peer_crystals: int, epochs: int) -> list[Row]:
    """Measure all that can be measured with the peers that are here."""
    peer = ORIGINAL if original else CGCNN2
    over = "" if original else f", over {CGCNN2}'s network"
    built = graphs.measure(folder, original, peer_crystals, rounds)
    trained, _ = epoch.measure(folder, original, "SGD", rounds, [peer])
    predicted, differences, _ = inference.measure(folder, original, rounds, [peer])
    later, outputs, gradients = None, None, None
    if original:
        runs = trial.measure(folder, original, Setting(epochs=epochs), 1)
        later = f"{runs[trial.ORIGINAL][0].seconds / runs[trial.LATER][0].seconds:.1f}×"
    if OURS in differences:
        apart, _ = differences[OURS]
        outputs, gradients = f"{apart.outputs:.1e}", f"{apart.gradients:.1e}"
    size = f"{graphs.file_bytes(SHIPPED) / 1000:.2f} kB"
    return [
        ("graphs from CIFs", "45×", _ratio(built, OURS, ORIGINAL), "100×"),
        (f"graphs from CIFs, over {CGCNN2}", "11×", _ratio(built, OURS, CGCNN2), "25×"),
        (f"training epoch{over}", "9×", _ratio(trained, OURS, peer), "15×"),
        (f"training epoch, quotient off{over}", "5×", _ratio(trained, UNFOLDED, peer), "8×"),
        (f"training epoch, pure torch{over}", "3.5×", _ratio(trained, PURE, peer), "6×"),
        (f"inference{over}", "8.5×", _ratio(predicted, OURS, peer), "15×"),
        (f"a trial of {epochs} epochs after the first, wall time", "10×", later, "15×"),
        ("a crystal in the file, 12 neighbours (flla)", "1 kB", size, "0.5 kB"),
        (f"outputs, difference from {peer}", "1e-5", outputs, ""),
        (f"gradients, relative difference from {peer}", "1e-5", gradients, ""),
    ]


def _ratio(timed: Mapping[str, Timed], name: str, peer: str) -> str | None:
    return f"{timed[name].over(timed[peer]):.1f}×" if name in timed and peer in timed else None


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
