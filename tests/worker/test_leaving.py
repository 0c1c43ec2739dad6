"""A trial's process ends as one that Python ends: threads, exit functions, open files."""

import time

import pytest

KEPT = """
import atexit, bz2, codecs, gzip, io, logging, lzma, multiprocessing, os, shelve, tempfile, threading, time
import weakref, zipfile
from pathlib import Path
from dh_project import trial_folder

KEPT = []


class Rows:
    def __init__(self, path):
        self.path, self.rows = path, []

    def __del__(self):
        self.path.write_text("".join(self.rows))


class Writer:
    def __init__(self, path):
        self.file, self.rows = path.open("w"), []

    def flush(self):
        self.file.write("".join(self.rows))
        self.rows = []

    def close(self):
        self.flush()
        self.file.close()


def slowly(path):
    time.sleep(0.3)
    path.write_text("kept")


def run(point):
    globals()[f"keep_{point['number']}"](trial_folder() / "kept")
    END
"""

KEEPERS = {
    "a text file": ("KEPT.append(path.open('w'))\n    KEPT[0].write('kept')", "path.read_text()"),
    "a binary file": ("KEPT.append(path.open('wb'))\n    KEPT[0].write(b'kept')", "path.read_text()"),
    "a file in a cycle": (
        "cycle = [path.open('w')]\n    cycle.append(cycle)\n    cycle[0].write('kept')",
        "path.read_text()",
    ),
    "a file of a codec": (
        "KEPT.append(codecs.open(path, 'w'))\n    KEPT[0].write('kept')",
        "path.read_text()",
    ),
    "gzip": ("KEPT.append(gzip.open(path, 'wt'))\n    KEPT[0].write('kept')", "gzip.open(path, 'rt').read()"),
    "bz2": ("KEPT.append(bz2.open(path, 'wt'))\n    KEPT[0].write('kept')", "bz2.open(path, 'rt').read()"),
    "xz": ("KEPT.append(lzma.open(path, 'wt'))\n    KEPT[0].write('kept')", "lzma.open(path, 'rt').read()"),
    "zip": (
        "KEPT.append(zipfile.ZipFile(path, 'w'))\n    KEPT[0].writestr('name', 'kept')",
        "zipfile.ZipFile(path).read('name').decode()",
    ),
    "an object that writes when it is deleted": (
        "KEPT.append(Rows(path))\n    KEPT[0].rows.append('kept')",
        "path.read_text()",
    ),
    "a writer": ("KEPT.append(Writer(path))\n    KEPT[0].rows.append('kept')", "path.read_text()"),
    "a generator": (
        "def written():\n        with path.open('w') as file:\n            file.write('kept')\n            yield\n"
        "    KEPT.append(written())\n    next(KEPT[0])",
        "path.read_text()",
    ),
    "a handler of logging": (
        "from logging.handlers import MemoryHandler\n"
        "    logging.getLogger('a').addHandler(MemoryHandler(99, target=logging.FileHandler(path)))\n"
        "    logging.getLogger('a').warning('kept')",
        "path.read_text().strip()",
    ),
    "an exit function": ("atexit.register(path.write_text, 'kept')", "path.read_text()"),
    "a finalizer": ("weakref.finalize(run, path.write_text, 'kept')", "path.read_text()"),
    "a finalizer of multiprocessing": (
        "from multiprocessing.util import Finalize\n    Finalize(None, path.write_text, ('kept',), exitpriority=1)",
        "path.read_text()",
    ),
    "a thread": ("threading.Thread(target=slowly, args=(path,)).start()", "path.read_text()"),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "    KEPT.append(ThreadPoolExecutor())\n    KEPT[0].submit(slowly, path)",
        "path.read_text()",
    ),
    "a process": (
        "multiprocessing.get_context('fork').Process(target=slowly, args=(path,)).start()",
        "path.read_text()",
    ),
    "a temporary folder": (
        "KEPT.append(tempfile.TemporaryDirectory(dir=trial_folder()))",
        "'kept' if not list(path.parent.glob('tmp*')) else 'left'",
    ),
    "standard output of C": (
        "import ctypes\n    ctypes.CDLL(None).printf(b'kept')",
        "(path.parent / 'log.txt').read_text()[:4]",
    ),
}


@pytest.mark.parametrize("end", ["return 1.0", "raise RuntimeError('too late')", "raise SystemExit(3)"])
def test_what_a_trial_keeps_is_written_whatever_its_end(runs, end):
    keepers = [
        f"\n\ndef keep_{number}(path):\n    {lines}\n" for number, (lines, _) in enumerate(KEEPERS.values())
    ]
    runs.of(KEPT.replace("END", end) + "".join(keepers))
    names = {}
    exec(KEPT.partition("KEPT = ")[0], names)
    for number, (kind, (_, read)) in enumerate(KEEPERS.items()):
        ended = runs.trial(number, point={"number": number})
        assert (ended["state"] == "done") == end.startswith("return"), ended["reason"]
        assert eval(read, {**names, "path": ended["folder"] / "kept"}) == "kept", kind


def test_an_exit_function_may_record(runs):
    runs.of(
        "import atexit\nfrom dh_project import record\n"
        "def run(point):\n    atexit.register(record, late=1)\n    return 2.0\n"
    )
    end = runs.trial()
    assert (end["objective"], end["facts"]) == (2.0, {"late": 1})


def test_exit_functions_run_in_reverse_order_and_one_that_fails_stops_no_other(runs):
    runs.of(
        "import atexit, sys\n"
        "def run(point):\n    for number in range(3):\n        atexit.register(print, 'number', number)\n"
        "    atexit.register(sys.exit, 4)\n    atexit.register(lambda: 1 / 0)\n    return 2.0\n"
    )
    end = runs.trial()
    assert (end["state"], end["objective"]) == ("done", 2.0)
    log = (end["folder"] / "log.txt").read_text()
    assert "ZeroDivisionError" in log
    assert [log.index(f"number {number}") for number in (2, 1, 0)] == sorted(
        log.index(f"number {number}") for number in range(3)
    )


def test_exit_functions_of_the_module_run_in_each_trial(runs):
    """Also one that removes a folder that the module has made: the next trial has a folder of its own."""
    runs.of(
        "import atexit, os, shutil, tempfile\nfrom dh_project import record\n"
        "folder = tempfile.mkdtemp()\natexit.register(print, 'at exit')\n"
        "atexit.register(shutil.rmtree, folder)\n"
        "def run(point):\n    record(folder=folder)\n    return float(os.path.isdir(folder))\n"
    )
    first, second = runs.trial(0), runs.trial(1)
    assert first["objective"] == second["objective"] == 1.0
    assert first["facts"] != second["facts"]
    assert [(end["folder"] / "log.txt").read_text() for end in (first, second)] == ["at exit\n"] * 2


def test_what_the_import_has_made_for_all_trials_outlives_each_of_them(runs):
    runs.of(
        "import os, tempfile, weakref\n"
        "folder, file = tempfile.TemporaryDirectory(), tempfile.NamedTemporaryFile()\n"
        "def run(point):\n    return float(os.path.isdir(folder.name) and os.path.exists(file.name))\n"
    )
    assert [runs.trial(number)["objective"] for number in range(3)] == [1.0, 1.0, 1.0]


def test_what_the_import_has_not_written_is_written_once(runs):
    runs.of(
        "from pathlib import Path\nfile = Path(__file__).with_name('shared').open('w')\nfile.write('import;')\n"
        "def run(point):\n    file.write('trial;')\n    return 1.0\n"
    )
    for number in range(2):
        runs.trial(number)
    assert (runs.folder / "shared").read_text() == "import;trial;trial;"


@pytest.mark.slow
@pytest.mark.parametrize(
    "lines",
    [
        "atexit.register(time.sleep, 600)",
        "threading.Thread(target=time.sleep, args=(600,)).start()",
        "atexit.register(lambda: [pow(3, 10**8) for _ in range(99)])",
    ],
)
def test_a_process_that_does_not_end_holds_no_worker(runs, lines):
    runs.of(f"import atexit, threading, time\ndef run(point):\n    {lines}\n    return 1.0\n")
    began = time.monotonic()
    end = runs.trial()
    assert (end["state"], end["objective"]) == ("done", 1.0)
    assert time.monotonic() - began < 60.0
    assert "its threads or exit functions still ran" in (end["folder"] / "log.txt").read_text()
