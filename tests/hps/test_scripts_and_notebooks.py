"""``dh.search`` as users call it: plain scripts, IPython and Jupyter notebooks, killed, interrupted and continued."""

import asyncio
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbclient import NotebookClient

import dh_project as dh

PATIENCE = 240.0
"""Seconds that a search may take on a loaded machine."""

PROBLEM = """import dh_project as dh

problem = dh.HpProblem()
_ = problem.add_dim("x", (-10.0, 10.0))
"""

RUN = """import time

def run(point):
    with open("ran", "a") as file:
        print(dh.trial_folder().parent.name, file=file)
    for step in range(5):
        time.sleep({seconds} / 5)
        dh.report(step, -100.0)
    return -point["x"] ** 2
"""

SEARCH = """settings = {{"searcher": "random", "evaluator": "{evaluator}", "num_workers": 2, "max_evals": {trials}}}
found = dh.search(problem, run, folder="search", **settings)
"""


def script(evaluator="process", trials=4, seconds=0.0, guarded=False):
    """Return a script with a search."""
    body = SEARCH.format(trials=trials, evaluator=evaluator) + "print(len(found.table()), 'rows')\n"
    if guarded:
        body = "if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in body.splitlines())
    return PROBLEM + RUN.format(seconds=seconds) + body


def start(folder, *words):
    """Start Python in a folder, as a shell does."""
    with (folder / "out").open("wb") as out:
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def run(folder, *words, status=0):
    """Run Python in a folder to its end, and return what it printed."""
    ended = start(folder, *words).wait(PATIENCE)
    said = (folder / "out").read_text()
    assert ended == status, said
    return said


def wait_until(condition, what):
    """Wait until a condition is true."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.02)


def count(folder, kind):
    """Return the number of records of a kind in the journal."""
    journal = folder / "search/journal.jsonl"
    return journal.read_bytes().count(f'"kind":"{kind}"'.encode()) if journal.exists() else 0


def runs(folder):
    """Return the numbers of the trials that were run, one for each attempt."""
    return [int(line) for line in (folder / "ran").read_text().split()]


@pytest.mark.parametrize(
    ("evaluator", "guarded"),
    [
        ("process", False),
        pytest.param("process", True, marks=pytest.mark.slow),
        pytest.param("ray", False, marks=[pytest.mark.slow, pytest.mark.ray]),
        pytest.param("ray", True, marks=[pytest.mark.slow, pytest.mark.ray]),
    ],
)
def test_a_script_searches_and_calls_its_function_once_a_trial(tmp_path, evaluator, guarded):
    (tmp_path / "tune.py").write_text(script(evaluator, guarded=guarded))
    assert "4 rows" in run(tmp_path, "tune.py")
    assert sorted(runs(tmp_path)) == [0, 1, 2, 3]
    said = run(tmp_path, "tune.py")
    assert "all 4 trials have ended already" in said
    assert "4 rows" in said
    assert len(runs(tmp_path)) == 4


@pytest.mark.slow
def test_a_killed_script_goes_on_and_repeats_nothing_that_had_finished(tmp_path):
    (tmp_path / "tune.py").write_text(script(trials=8, seconds=0.5))
    process = start(tmp_path, "tune.py")
    wait_until(lambda: count(tmp_path, "end") >= 3, "three trials end")
    process.kill()
    process.wait()
    finished = [trial.id for trial in dh.open_search(tmp_path / "search").trials if trial.state.has_ended]
    assert "8 rows" in run(tmp_path, "tune.py")
    assert sorted(set(runs(tmp_path))) == list(range(8))
    assert all(runs(tmp_path).count(trial) == 1 for trial in finished)
    assert not list((tmp_path / "search").glob(".*"))


@pytest.mark.slow
def test_an_interrupted_script_says_so_and_goes_on(tmp_path):
    (tmp_path / "tune.py").write_text(script(trials=4, seconds=2))
    process = start(tmp_path, "tune.py")
    wait_until(lambda: count(tmp_path, "end") >= 1 and count(tmp_path, "start") >= 3, "trials run")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == -signal.SIGINT
    said = (tmp_path / "out").read_text()
    assert "KeyboardInterrupt: SIGINT came; the same call continues the search in search" in said
    found = dh.open_search(tmp_path / "search")
    assert found.ending.kind == "signal"
    paused = [trial.id for trial in found.trials if str(trial.state) == "paused"]
    assert paused
    assert "4 rows" in run(tmp_path, "tune.py")
    attempts = {trial.id: trial.attempt for trial in dh.open_search(tmp_path / "search").trials}
    assert [number for number, attempt in attempts.items() if attempt == 2] == paused


@pytest.mark.slow
def test_a_terminated_script_saves_and_leaves_with_the_status_of_the_signal(tmp_path):
    (tmp_path / "tune.py").write_text(script(trials=6, seconds=0.5))
    process = start(tmp_path, "tune.py")
    wait_until(lambda: count(tmp_path, "start") >= 1, "trials run")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    assert dh.open_search(tmp_path / "search").ending.kind == "signal"


@pytest.mark.slow
def test_another_script_is_another_search(tmp_path):
    (tmp_path / "tune.py").write_text(script(trials=1))
    run(tmp_path, "tune.py")
    (tmp_path / "tune.py").write_text(script(trials=1).replace("-point", "+point"))
    assert "another search was run here: run was '__main__.run#" in run(tmp_path, "tune.py", status=1)


@pytest.mark.slow
def test_ipython_runs_a_script_and_a_command(tmp_path):
    (tmp_path / "tune.ipy").write_text(script() + "%time None\n")
    assert "4 rows" in run(tmp_path, "-m", "IPython", "--colors=NoColor", "tune.ipy")
    command = PROBLEM + RUN.format(seconds=0) + SEARCH.format(trials=2, evaluator="process")
    said = run(tmp_path, "-m", "IPython", "-c", command.replace('"search",', '"other",') + "print(found)")
    assert "2 trials ended" in said


@pytest.mark.slow
def test_a_command_that_has_no_source_goes_on(tmp_path):
    words = ("-c", script(trials=2))
    assert "2 rows" in run(tmp_path, *words)
    assert "all 2 trials have ended already" in run(tmp_path, *words)


@pytest.mark.slow
@pytest.mark.ray
def test_a_ray_of_the_script_s_own_is_left_as_it_is(tmp_path):
    before = "import ray\nray.init(num_cpus=1, include_dashboard=False)\n"
    after = "finally:\n    print('still there:', ray.is_initialized())\n"
    search = "".join(f"    {line}\n" for line in SEARCH.format(trials=1, evaluator="ray").splitlines())
    (tmp_path / "tune.py").write_text(before + PROBLEM + RUN.format(seconds=0) + "try:\n" + search + after)
    said = run(tmp_path, "tune.py", status=1)
    assert "this program is already connected to a Ray cluster; call ray.shutdown() first" in said
    assert "still there: True" in said
    assert not (tmp_path / "search").exists()


def notebook(folder, *cells, interrupt_when=None):
    """Run the cells of a new notebook with a kernel of its own, and return what stands below each of them."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    client = NotebookClient(
        book, timeout=PATIENCE, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )

    async def interrupt():
        await asyncio.to_thread(wait_until, interrupt_when, "trials run")
        await client.km.interrupt_kernel()

    async def execute():
        async with client.async_setup_kernel():
            interrupting = asyncio.ensure_future(interrupt()) if interrupt_when else None
            for index, cell in enumerate(book.cells):
                await client.async_execute_cell(cell, index)
            if interrupting:
                await interrupting

    asyncio.run(execute())
    return ["\n".join(map(shown, cell.outputs)) for cell in book.cells]


def shown(output):
    """Return the text of an output of a cell."""
    return output.get("text") or output.get("data", {}).get("text/plain") or output.get("evalue", "")


@pytest.mark.slow
@pytest.mark.parametrize("evaluator", ["process", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_notebook_searches_is_interrupted_and_goes_on(tmp_path, evaluator):
    cells = PROBLEM, RUN.format(seconds=0.5), SEARCH.format(trials=6, evaluator=evaluator), "found"
    said = notebook(
        tmp_path,
        *cells[:3],
        interrupt_when=lambda: count(tmp_path, "end") >= 1 and count(tmp_path, "start") >= 3,
    )
    assert "SIGINT came; the same call continues the search in search" in said[2]
    assert dh.open_search(tmp_path / "search").ending.kind == "signal"
    said = notebook(tmp_path, *cells)
    assert "6 of 6 trials ended" in said[2]
    assert "best " in said[2]
    assert "Warning" not in said[2]
    assert "<table" in said[3] or "6 trials ended, best objective" in said[3]
    assert len(dh.open_search(tmp_path / "search").table()) == 6


@pytest.mark.slow
def test_another_cell_is_another_search(tmp_path):
    search = SEARCH.format(trials=1, evaluator="process")
    notebook(tmp_path, PROBLEM, RUN.format(seconds=0), search)
    said = notebook(tmp_path, PROBLEM, RUN.format(seconds=0).replace("-point", "+point"), search)
    assert "another search was run here: run was '__main__.run#" in said[2]
