"""A disk that is full, and one that cannot be written to."""

import random
import time
from contextlib import closing

import pytest
from harness import assert_nothing_is_lost, say, wait_until
from small_disk import FileSizeLimit, Mount, ReadOnlyMode, full_disk

pytestmark = [pytest.mark.faults, pytest.mark.slow]

TOTAL = 40


def assert_one_clear_line(session, *words):
    complained = session.complained.strip()
    say(f"it said: {complained}")
    assert len(complained.splitlines()) == 1, complained
    assert any(word in complained for word in words)


def stop_and_go_on(search, session, make_room):
    """Check that a session stopped for want of room, and that the search goes on after some was made."""
    status = session.end()
    say(f"it ended with status {status} after {session.age:.2f} s; {search.standing}")
    search.wait_until_none_is_left()
    assert status not in (0, 2)
    before = search.sound_part()
    assert_one_clear_line(session, "No space left on device", "File too large")
    make_room()
    search.run()
    assert_nothing_is_lost(search, TOTAL)
    assert {row["job_status"] for row in search.rows()} == {"DONE"}, "a full disk is no trial's fault"
    assert search.journal.read_bytes().startswith(before)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_full_disk_is_a_loud_stop_and_after_making_room_it_goes_on(search_command, tmp_path, seed):
    rng = random.Random(seed)
    with closing(full_disk(tmp_path / "disk", 2**20)) as disk:
        search = search_command(
            "--max-evals",
            TOTAL,
            run_kwargs=["shortest=0.05", "longest=0.3"],
            log_dir=disk.outside / "search",
            seen_as=disk.inside / "search",
        )
        session = search.start(prefix=disk.prefix)
        wait_until(lambda: search.count("session") or not session.is_running, "it searches")
        time.sleep(rng.uniform(0.0, 1.5))
        disk.fill()
        say(f"filled the disk after {session.age:.2f} s")
        search.prefix = disk.prefix

        def make_room():
            disk.make_room()
            search.prefix = disk.prefix

        stop_and_go_on(search, session, make_room)


@pytest.mark.parametrize("size", [1_000, 10_000])
def test_a_journal_that_may_not_grow_is_a_loud_stop_and_then_it_goes_on(search_command, tmp_path, size):
    limit = FileSizeLimit(tmp_path / "limited", size)
    search = search_command("--max-evals", TOTAL, log_dir=limit.inside)
    stop_and_go_on(search, search.start(prefix=limit.prefix), limit.make_room)


@pytest.fixture(params=["file system", "mode"])
def read_only(request, tmp_path):
    """A folder that can be made read-only: by its file system if one can be mounted, otherwise by its mode."""
    try:
        folder = (Mount if request.param == "file system" else ReadOnlyMode)(tmp_path / "disk", 2**20)
    except OSError:  # nothing can be mounted here
        folder = ReadOnlyMode(tmp_path / "mode")
    with closing(folder):
        yield folder


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("earlier", [0, 3])
def test_a_read_only_folder_is_one_line_and_nothing_is_half_written(search_command, read_only, earlier):
    search = search_command(
        log_dir=read_only.outside / "search", seen_as=read_only.inside / "search", prefix=read_only.prefix
    )
    if earlier:
        search.run("--max-evals", earlier)
    read_only.make_read_only()
    before = content(read_only.outside)
    session = search.start("--max-evals", 6)
    status = session.end()
    assert status in (1, 2)
    assert_one_clear_line(session, "Read-only file system", "Permission denied")
    assert content(read_only.outside) == before
    search.wait_until_none_is_left()


def test_a_driver_s_log_that_cannot_be_written_is_at_most_a_line(search_command):
    search = search_command("--max-evals", 4)
    search.log_dir.mkdir()
    log = search.log_dir / "deephyper.log"
    log.symlink_to("/dev/full")
    session = search.start()
    status = session.end()
    say(
        f"with a log on a full disk it ended with status {status}; {len(session.complained.splitlines())} lines"
    )
    assert "Traceback" not in session.complained
    assert len(session.complained.splitlines()) <= 1
    log.unlink()
    if status != 0:
        search.run()
    assert_nothing_is_lost(search, 4)
