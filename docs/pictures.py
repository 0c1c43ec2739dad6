"""The pictures of the pages, drawn from real runs of the commands that the pages explain.

    python docs/pictures.py             # what is not there yet, into docs/pictures
    python docs/pictures.py --readme    # docs/search.png, which stands in the README and is tracked

The runs lie in ``docs/_build/runs``. What is there is not run again; a search that was cut goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock

from dh_project.common.files import replacing

REPOSITORY, DOCS = Path(__file__).absolute().parents[1], Path("docs")
RUNS, PICTURES, README = DOCS / "_build/runs", DOCS / "pictures", DOCS / "search.png"
"""From the repository on, so that no word of a command holds a space."""

CRYSTALS = "--problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run"
VALLEY = "--problem docs/examples/valley.py --run docs/examples/valley.py"
POLYNOME = "--problem my_project.polynome2.problem.Problem --run my_project.polynome2.model_run.run"
PROJECT = '[project]\nname = "my_project"\nversion = "0"\n\n[tool.deephyper]\npackage = "my_project"\n'


def main(words: list[str]) -> int:
    """Draw the pages' pictures, or the README's, whose search is that of ``make search``."""
    began = time.monotonic()
    os.chdir(REPOSITORY)
    RUNS.mkdir(parents=True, exist_ok=True)
    PICTURES.mkdir(exist_ok=True)
    with FileLock(RUNS / ".lock"):
        if words == ["--readme"]:
            make_search("readme/search")
            quickplot(README, "readme/search")
            return 0
        for draw in (draw_crystals, draw_searchers, draw_tutorial, draw_training):
            draw()
    print(f"pictures  docs/pictures, {time.monotonic() - began:.0f} s")
    return 0


def draw_crystals() -> None:
    """Draw a small search for the best crystal network."""
    picture = PICTURES / "crystals.png"
    if not picture.exists():
        search("crystals", f"ambs --max-evals 12 {CRYSTALS} --run-kwargs epochs=5")
        quickplot(picture, "crystals")


def draw_searchers() -> None:
    """Draw the random search by itself, some of whose trials fail, and beside the model-based one."""
    alone, beside = PICTURES / "failures.png", PICTURES / "searchers.png"
    if not (alone.exists() and beside.exists()):
        for searcher in ("ambs", "random"):
            search(searcher, f"{searcher} --max-evals 80 {VALLEY}")
        quickplot(alone, "random")
        quickplot(beside, "ambs", "random", xy="job_id objective")


def draw_tutorial() -> None:
    """Draw the tutorial's first search: the objective in its course, and over the learning rate."""
    course, rates = PICTURES / "polynome2.png", PICTURES / "polynome2_lr.png"
    if course.exists() and rates.exists():
        return
    home = RUNS / "my_project/my_project"  # as start-project makes it, which would also install it
    if not (home / "polynome2").is_dir():
        home.mkdir(parents=True, exist_ok=True)
        (home / "__init__.py").touch()
        (home.parent / "pyproject.toml").write_text(PROJECT)
        deephyper("new-problem hps polynome2", folder=home)
    search("polynome2", f"ambs --max-evals 20 {POLYNOME}")
    quickplot(course, "polynome2")
    quickplot(rates, "polynome2", xy="lr objective")


def draw_training() -> None:
    """Take over one of the pictures that ``deephyper train`` leaves."""
    picture = PICTURES / "parity.png"
    if picture.exists():
        return
    folder = RUNS / "training"
    if not (folder / picture.name).exists():
        shutil.rmtree(folder, ignore_errors=True)  # a few seconds' work
        deephyper(
            f"train --lr 0.01 --batch-size 128 --optim Adam --averaging 0.99 --epochs 30 --folder {folder}"
        )
    with replacing(picture) as aside:
        shutil.copyfile(folder / picture.name, aside)


def make_search(name: str) -> None:
    """Run ``make search`` in a folder of its name."""
    words = ["make", "search", f"VENV={sys.prefix}", f"FOLDER={RUNS / name}"]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)


def search(name: str, line: str) -> None:
    """Run a search of two workers to its end, in a folder of its name."""
    searcher, _, rest = line.partition(" ")
    deephyper(f"hps {searcher} --evaluator process --num-workers 2 --log-dir {RUNS / name} {rest}")


def quickplot(picture: Path, *searches: str, xy: str = "") -> None:
    """Draw searches by their names."""
    results = " ".join(str(RUNS / name / "results.csv") for name in searches)
    command(f"analytics quickplot {results} -o {picture}" + (f" --xy {xy}" if xy else ""))


def deephyper(line: str, folder: Path = REPOSITORY) -> None:
    """Run a line of ``deephyper``."""
    command(f"main {line}", folder)


def command(line: str, folder: Path = REPOSITORY) -> None:
    """Run a line of one of the programs, named by its module; what it prints is shown where it fails."""
    paths = [str(REPOSITORY / RUNS / "my_project"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    module, *words = line.split()
    done = subprocess.run(
        [sys.executable, "-m", f"dh_project.cli.{module}", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{line}: exit status {done.returncode}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
