"""``deephyper hps`` as a user types it: real processes, real exit statuses."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

DEEPHYPER = [sys.executable, "-m", "dh_project.cli.main"]


@pytest.fixture
def hps(samples, tmp_path):
    """Return a function that runs a search of the samples in ``tmp_path`` and gives its finished process."""

    def hps(*options, searcher="random", run="small_run.py", evaluator="process", check=True):
        words = [*DEEPHYPER, "hps", searcher, "--evaluator", evaluator, "--num-workers", "2"]
        words += ["--problem", str(samples / "small_problem.py"), "--run", str(samples / run), *options]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=check)

    return hps


def rows(folder):
    lines = (folder / "results.csv").read_text().splitlines()
    names = lines[0].split(",")
    return [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]


@pytest.mark.parametrize("searcher", ["ambs", "random"])
def test_a_search_leaves_its_files_and_exactly_its_rows(hps, tmp_path, searcher):
    done = hps("--max-evals", "5", searcher=searcher)
    assert {"journal.jsonl", "results.csv", "deephyper.log", "trials"} <= {f.name for f in tmp_path.iterdir()}
    assert sorted(row["job_id"] for row in rows(tmp_path)) == list("01234")
    assert {row["job_id"] for row in rows(tmp_path) if row["m:origin"] == "starting point"} == {"0", "1"}
    assert str(tmp_path / "results.csv") in done.stdout or "results.csv" in done.stdout
    assert len(list((tmp_path / "trials").iterdir())) == 5


@pytest.mark.ray
@pytest.mark.slow
def test_the_ray_evaluator_searches_by_file_path(hps, tmp_path):
    hps("--max-evals", "5", evaluator="ray")
    assert sorted(row["job_id"] for row in rows(tmp_path)) == list("01234")


def test_the_same_command_goes_on_and_a_finished_one_does_nothing(hps, tmp_path):
    hps("--max-evals", "3", "--log-dir", "a/search")
    hps("--max-evals", "5", "--log-dir", "a/search")
    journal = (tmp_path / "a/search/journal.jsonl").read_bytes()
    assert "all 5 trials have ended already" in hps("--max-evals", "5", "--log-dir", "a/search").stdout
    assert (tmp_path / "a/search/journal.jsonl").read_bytes() == journal
    assert len(rows(tmp_path / "a/search")) == 5


def test_with_scratch_a_search_leaves_the_same_files(hps, tmp_path):
    for more in ([], ["--scratch", tmp_path / "scratch"]):
        hps("--max-evals", "4", "--seed", "1", "--log-dir", f"search-{len(more)}", *map(str, more))
    left = [
        sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        for folder in (tmp_path / "search-0", tmp_path / "search-2")
    ]
    assert left[0] == left[1]
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


def test_output_that_is_no_terminal_gets_a_line_a_trial(hps):
    lines = hps("--max-evals", "4").stdout.splitlines()
    assert sum(bool(re.match(r"trial +\d+ +done", line)) for line in lines) == 4


def test_the_best_stands_beside_the_baseline(hps):
    said = hps("--max-evals", "4").stdout
    assert re.search(r"best \(trial \d\) +baseline \(trial 0\)", said)
    assert re.search(r"twice +\S+ +2", said)


def command(samples, *more):
    words = [*DEEPHYPER, "hps", "random", "--evaluator", "process", "--num-workers", "2", "--max-evals", "8"]
    words += ["--problem", str(samples / "small_problem.py"), "--run", str(samples / "small_run.py")]
    return [*words, "--run-kwargs", "seconds=0.4", *more]


def wait_for_rows(folder, count):
    limit = time.monotonic() + 60
    journal = folder / "journal.jsonl"
    while time.monotonic() < limit:
        if journal.exists() and journal.read_text().count('"kind":"end"') >= count:
            return
        time.sleep(0.02)
    raise AssertionError("the search does not get there")


def test_a_killed_search_goes_on_and_runs_nothing_again(samples, tmp_path):
    search = subprocess.Popen(command(samples), cwd=tmp_path, stdout=subprocess.DEVNULL)
    wait_for_rows(tmp_path, 3)
    search.kill()
    search.wait()
    subprocess.run(command(samples), cwd=tmp_path, check=True, capture_output=True)
    records = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    ends = [record["trial"] for record in records if record["kind"] == "end" and record["state"] == "done"]
    assert sorted(ends) == list(range(8))
    assert len(rows(tmp_path)) == 8


def test_ctrl_c_ends_it_in_order(samples, tmp_path):
    search = subprocess.Popen(command(samples), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    wait_for_rows(tmp_path, 2)
    search.send_signal(signal.SIGINT)
    said, _ = search.communicate(timeout=30)
    assert search.returncode == 130
    assert "SIGINT" in said
    assert "the same command continues" in said


def test_a_search_in_which_every_trial_fails_says_so(hps, samples, tmp_path):
    (tmp_path / "failing.py").write_text("def run(point):\n    return ...\n")
    done = hps("--max-evals", "3", run=tmp_path / "failing.py", check=False)
    assert done.returncode == 1
    assert "returned a ellipsis instead of a number" in done.stdout


@pytest.mark.parametrize("reader", ["| head -1", ">&-"])
def test_nobody_needs_to_read(samples, tmp_path, reader):
    words = " ".join(f"'{word}'" for word in command(samples))
    subprocess.run(f"{words} {reader}", shell=True, cwd=tmp_path, check=False, capture_output=True)
    assert len(rows(tmp_path)) == 8


def test_a_terminal_gets_a_live_line(samples, tmp_path):
    master, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    search = subprocess.Popen(
        command(samples), cwd=tmp_path, stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    said = b""
    while True:
        try:
            said += os.read(master, 4096)
        except OSError:  # the other end is closed
            break
    assert search.wait() == 0
    assert re.search(r"running \d+ +failed 0 +best -?[\d.]+ \(trial \d\)", said.decode())
    assert "left" in said.decode()


def test_the_version_and_the_help_are_quick_to_load():
    heavy = ("torch", "ray", "deephyper", "pandas", "rich", "ConfigSpace")
    loaded = f"import sys, dh_project.cli.main; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout.strip() == "[]"
    )


def test_a_search_that_is_done_says_so_with_the_same_exit_status(hps, tmp_path):
    (tmp_path / "failing.py").write_text("def run(point):\n    return None\n")
    for _ in range(2):
        assert hps("--max-evals", "2", run=tmp_path / "failing.py", check=False).returncode == 1


def test_a_table_that_is_missing_is_written_by_the_same_command(hps, tmp_path):
    hps("--max-evals", "3")
    (tmp_path / "results.csv").unlink()
    hps("--max-evals", "3")
    assert len(rows(tmp_path)) == 3


def test_a_time_limit_that_is_used_up_says_what_to_do(hps):
    hps("--timeout", "1", check=False)
    assert "give a larger timeout" in hps("--timeout", "1", check=False).stdout


def test_a_file_that_was_learnt_need_not_be_there_any_more(hps, samples, tmp_path):
    hps("--max-evals", "3", "--log-dir", "first")
    words = ["--log-dir", "second", "--warm-start", "first/results.csv"]
    said = hps("--max-evals", "3", *words, searcher="ambs").stdout
    assert "learns from 3 trials" in said
    (tmp_path / "first" / "results.csv").unlink()
    assert "learns" not in hps("--max-evals", "4", *words, searcher="ambs").stdout


def test_fresh_puts_the_earlier_search_aside(hps, tmp_path):
    hps("--max-evals", "2")
    assert "moved the earlier search to" in hps("--max-evals", "3", "--fresh").stdout
    assert len(rows(tmp_path)) == 3
    assert len(rows(tmp_path / "earlier-1")) == 2


def test_words_that_the_terminal_cannot_write_are_no_end(hps, tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text("def run(point):\n    raise ValueError('gr\\u00f6\\u00dfe')\n")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = hps("--max-evals", "2", run=tmp_path / "failing.py", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_search_says_what_it_belongs_to_in_each_row_and_stays_the_same_search(hps, tmp_path):
    hps("--max-evals", "2", "--experiment", "screening", "--tag", "machine=polaris", "round=1")
    hps("--max-evals", "3")
    assert [row["m:experiment"] for row in rows(tmp_path)] == ["screening"] * 3
    hps("--max-evals", "4", "--tag", "round=2")
    assert [row["m:tag_round"] for row in rows(tmp_path)] == ["2"] * 4
    assert [row["m:tag_machine"] for row in rows(tmp_path)] == ["polaris"] * 4


def test_a_search_that_has_ended_can_still_be_called_something(hps, tmp_path):
    hps("--max-evals", "2")
    assert "have ended already" in hps("--max-evals", "2", "--tag", "round=1").stdout
    assert [row["m:tag_round"] for row in rows(tmp_path)] == ["1"] * 2
    hps("--max-evals", "3")
    assert [row["m:tag_round"] for row in rows(tmp_path)] == ["1"] * 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tag", "polaris"], "--tag 'polaris' is not of the form KEY=VALUE"),
        (["--tag", "a=1", "--tag", "a=2"], "--tag 'a' is given twice"),
        (["--tag", "a="], "--tag a: the text is empty; give a text"),
        (["--experiment", " "], "--experiment: the text is empty; give a text"),
    ],
)
def test_a_label_that_says_nothing_is_refused(hps, tmp_path, words, said):
    done = hps(*words, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "journal.jsonl").exists()
