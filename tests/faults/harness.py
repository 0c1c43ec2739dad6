"""Shared by the tests of faults: run a search by its command, cause a fault, and check the files that are left.

Every process of a search carries the search's mark in its environment, daemons too, so that none is overlooked.
Every act is printed; ``pytest -rA tests/faults`` shows what was done, and when.
"""

import csv
import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

from dh_project.results.journal import scan

HERE = Path(__file__).parent
DEEPHYPER = [sys.executable, "-m", "dh_project.cli.main"]
MARK = "DH_PROJECT_FAULTS_MARK"

PATIENCE = 120.0
"""Longest wait for a condition on a loaded machine, in tests that do not measure time."""

SLOW_TO_LEAVE = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's own servants, which seek their dead cluster for a minute before they leave. They run no trials."""

FINAL = {"done", "stopped", "failed", "timeout", "memory", "cancelled"}
"""States of an attempt after which there must be no other; a lost or paused one may be followed."""


def say(text):
    """Print an action to the output of the test."""
    print(text, flush=True)


def wait_until(condition, what, limit=PATIENCE, session=None):
    """Wait until a condition is true, and return its value; do not wait for a session that has ended."""
    ends = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < ends, f"not within {limit:g} s: {what}"
        assert session is None or session.is_running or condition(), f"{what}? It ended: {session.complained}"
        time.sleep(0.005)
    return value


class Session:
    """One start of a search's command."""

    def __init__(self, words, folder, environment, number):
        self._out, self._err = (folder / f"session-{number}.{name}" for name in ("out", "err"))
        self.began = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def age(self):
        return time.monotonic() - self.began

    @property
    def is_running(self):
        return self.process.poll() is None

    @property
    def said(self):
        return self._out.read_text(errors="replace")

    @property
    def complained(self):
        return self._err.read_text(errors="replace")

    def end(self, limit=PATIENCE):
        """Wait for the end of the driver and return its exit status."""
        return self.process.wait(limit)


class SearchCommand:
    """A search as a user types it, in a folder of its own, to be run again and again.

    Attributes:
        folder: Working directory of the command; the evidence of the trials lies there.
        log_dir: Folder of the search, as a path of the test (``seen_as``: as a path of the command).
    """

    def __init__(
        self,
        folder,
        *options,
        run="work",
        run_kwargs=(),
        searcher="random",
        evaluator="process",
        workers=2,
        log_dir=None,
        seen_as=None,
        prefix=(),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.log_dir, self.prefix = folder, log_dir or folder / "search", list(prefix)
        self.evaluator = evaluator
        self._options = ["hps", searcher, "--evaluator", evaluator, "--num-workers", str(workers)]
        self._options += ["--problem", "small_problem.Problem", "--run", f"faulty_trials.{run}"]
        self._options += ["--log-dir", str(seen_as or self.log_dir), *map(str, options)]
        if run_kwargs:
            self._options += ["--run-kwargs", *run_kwargs]
        self._mark = uuid.uuid4().hex
        self._sessions = []

    # ---- do

    def start(self, *more, prefix=None):
        """Start the command and return its session."""
        words = [*(self.prefix if prefix is None else prefix), *DEEPHYPER, *self._options, *map(str, more)]
        folders = [str(HERE), str(HERE.parent / "samples"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, MARK: self._mark, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
        session = Session(words, self.folder, environment, len(self._sessions))
        self._sessions.append(session)
        return session

    def run(self, *more, status=0, limit=2 * PATIENCE):
        """Run the command to its end, check its exit status, and return its session."""
        session = self.start(*more)
        ended = session.end(limit)
        say(f"the command ended with status {ended} after {session.age:.2f} s; {self.standing}")
        assert ended == status, session.complained[-3000:]
        return session

    def kill(self, session):
        """Kill the driver, it alone, without a warning."""
        session.process.kill()
        age = session.age
        session.end()
        say(f"killed the driver after {age:.2f} s with {self.standing}")

    def wait_until_none_is_left(self, limit=5.0):
        """Check that all processes of the search are gone within some seconds."""
        ends = time.monotonic() + limit
        while left := [name for name in self.processes().values() if not name.startswith(SLOW_TO_LEAVE)]:
            assert time.monotonic() < ends, f"still there {limit:g} s after the driver: {left}"
            time.sleep(0.02)

    def clean_up(self):
        """Kill whatever is left of this search."""
        for session in self._sessions:
            session.process.kill()
            session.process.wait()
        while left := self.processes():
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.05)

    # ---- see

    def processes(self):
        """Return all living processes that descend from this command, however far, with their command lines."""
        mark = f"{MARK}={self._mark}".encode()
        found = {}
        for process in psutil.process_iter():
            with suppress(OSError, psutil.NoSuchProcess):
                if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(
                    b"\0"
                ):  # a zombie has none
                    found[process] = " ".join(process.cmdline()).strip()
        return found

    def workers(self, session):
        """Return the driver's own workers (``process`` evaluator)."""
        try:
            children = psutil.Process(session.process.pid).children()
            return [child for child in children if "dh_project.worker" in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:
            return []

    @property
    def journal(self):
        return self.log_dir / "journal.jsonl"

    def count(self, kind):
        """Count the records of a kind, cheaply."""
        try:
            return self.journal.read_bytes().count(f'"kind":"{kind}"'.encode())
        except FileNotFoundError:
            return 0

    @property
    def standing(self):
        """The content of the journal as text."""
        trials = {}
        for record in self.records():
            if record["kind"] in ("start", "end"):
                trials[record["trial"]] = record.get("state", "running")
        states = Counter(trials.values())
        rows = sum(number for state, number in states.items() if state in FINAL or state == "lost")
        return f"{rows} rows on record, {states['running']} running, {states['paused']} paused"

    def records(self):
        return scan(self.journal)[0]

    def sound_part(self):
        """Return the bytes of the journal without a torn tail."""
        return self.journal.read_bytes()[: scan(self.journal)[1]] if self.journal.exists() else b""

    def rows(self):
        with (self.log_dir / "results.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def evidence(self):
        """Return trial, attempt and point of each call of a run function that returned."""
        file = self.folder / "evidence"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def results(self):
        """Return the ``dh-result.json`` of every attempt that has one, by trial and attempt."""
        return {
            (int(file.parent.parent.name), int(file.parent.name.removeprefix("attempt-"))): json.loads(
                file.read_text()
            )
            for file in self.log_dir.glob("trials/*/attempt-*/dh-result.json")
        }


def assert_nothing_is_lost(search, total):
    """Check a search that has come to its end: all trials are there, once, and none ran after it had ended."""
    records, rows = search.records(), search.rows()
    starts = [record for record in records if record["kind"] == "start"]
    ends = [record for record in records if record["kind"] == "end"]
    final = [record for record in ends if record["state"] in {*FINAL, "lost"}]
    attempts = {trial: [r["attempt"] for r in starts if r["trial"] == trial] for trial in range(total)}

    assert sorted(int(row["job_id"]) for row in rows) == list(range(total)), "each trial is one row"
    assert sorted(record["trial"] for record in final) == list(range(total)), "each trial has one final end"
    assert {record["trial"] for record in starts} == set(range(total)), "no trial came from nowhere"
    for trial, numbers in attempts.items():
        assert numbers == list(range(1, len(numbers) + 1)), f"the attempts at trial {trial} are {numbers}"
        points = [record["point"] for record in starts if record["trial"] == trial]
        assert all(point == points[0] for point in points), f"trial {trial} kept its point"
    runs: dict[int, int] = {}
    for record in records:
        if record["kind"] == "start":
            runs[record["trial"]] = record["attempt"]
        elif record["kind"] in ("report", "end"):
            assert record["attempt"] == runs.get(record["trial"]), f"late words are on record: {record}"
            if record["kind"] == "end":
                del runs[record["trial"]]
    for position, record in enumerate(records):
        if record["kind"] == "end" and record["state"] in FINAL:
            later = [r for r in records[position:] if r["kind"] == "start" and r["trial"] == record["trial"]]
            assert not later, f"trial {record['trial']} ran again after its end was on record"
    for (trial, attempt), result in search.results().items():
        if result["state"] in FINAL:
            assert attempt == attempts[trial][-1], (
                f"trial {trial} ran again after attempt {attempt} had ended"
            )
    finished = {(trial, attempt): point for trial, attempt, point in search.evidence()}
    for record in final:
        if record["state"] == "done":
            point = next(r["point"] for r in starts if r["trial"] == record["trial"])
            assert finished.get((record["trial"], record["attempt"])) == point, (
                f"trial {record['trial']} is done though its run function never came to its end"
            )
    unheard = [pair for pair in finished if pair[1] < attempts[pair[0]][-1]]
    say(
        f"checked {total} trials: {len(starts)} attempts, {len(rows)} rows; {len(unheard)} run functions ended "
        f"in the moment of a kill, before anybody could note their result"
    )
