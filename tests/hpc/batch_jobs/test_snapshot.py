"""Copies of the user's folder: which files are copied, and which folders are refused."""

from pathlib import Path

import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs.snapshot import MIB, plan_snapshot, take_snapshot


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    for name in ("problem.py", "pack/run.py", "data/large.bin", ".git/config", "pack/__pycache__/run.pyc"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


@pytest.fixture
def copied(project):
    """Return a function that makes a copy and returns its content."""

    def copied(results=project / "results"):
        target = results / "code"
        take_snapshot(plan_snapshot(project, results, MIB), target)
        return {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir()}

    return copied


def test_all_is_copied_but_what_is_no_code(copied):
    assert copied() == {"problem.py", "pack/run.py", "data/large.bin"}


def test_the_ignore_file_is_honoured(project, copied):
    (project / ".gitignore").write_text("pack/\n")
    (project / ".dhignore").write_text("*.bin\n!data/\n")
    assert copied() == {"problem.py", "pack/run.py", ".dhignore", ".gitignore"}


def test_gits_ignore_file_is_used_if_there_is_no_other(project, copied):
    (project / ".gitignore").write_text("/data/\n")
    assert copied() == {"problem.py", "pack/run.py", ".gitignore"}


def test_the_results_are_not_copied_into_themselves(project, copied):
    (project / "results" / "trials").mkdir(parents=True)
    (project / "results" / "trials" / "log.txt").touch()
    assert not [name for name in copied() if name.startswith("results")]


def test_earlier_searches_and_their_copies_are_not_copied(project, copied):
    one = copied(project / "first")
    (project / "first/journal.jsonl").touch()
    for number in range(2, 5):  # the record of the jobs is enough, and the searches may lie deeper
        results = project / f"more/{number}"
        assert copied(results) == one
        (results / "jobs.jsonl").touch()


def test_a_search_in_the_folder_itself_is_not_copied(project, copied):
    one = copied(project.parent / "elsewhere")
    for name in (
        "journal.jsonl",
        "journal.lock",
        "trials/0000/attempt-1/log.txt",
        "code/problem.py",
        "job.sh",
    ):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    assert copied(project / "second") == one


def test_a_link_to_a_file_becomes_the_file(project, copied):
    (project / "link.py").symlink_to("pack/run.py")
    assert "link.py" in copied()
    copy = project / "results" / "code" / "link.py"
    assert (copy.is_symlink(), copy.read_text()) == (False, "pack/run.py")


def test_a_link_to_a_folder_leads_to_its_copy(project, copied):
    (project / "pack" / "inputs").symlink_to(project / "data")
    copied()
    copy = project / "results" / "code"
    assert (copy / "pack" / "inputs").resolve() == (copy / "data").resolve()


def test_a_broken_link_is_left_out(project, copied):
    (project / ".#problem.py").symlink_to("me@host.1234")
    assert ".#problem.py" not in copied()


@pytest.mark.parametrize("name", ["secrets", "secrets/key"])
def test_a_link_out_of_the_folder_is_refused(project, tmp_path, name):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").touch()
    (project / "pack" / "away").symlink_to(tmp_path / name)
    with pytest.raises(UserError, match="pack/away leads out of the folder"):
        plan_snapshot(project, project / "results", MIB)


def test_a_link_to_a_folder_that_is_not_copied_is_refused(project):
    (project / ".dhignore").write_text("data/\n")
    (project / "inputs").symlink_to("data")
    with pytest.raises(UserError, match="inputs leads to data, which is not copied"):
        plan_snapshot(project, project / "results", MIB)


def test_a_large_folder_is_refused_with_its_largest_part(project):
    (project / "data" / "large.bin").write_bytes(bytes(2 * MIB))
    with pytest.raises(
        UserError, match=r"more than 1 MiB \(data alone 2 MiB\); put what jobs do not need into .dhignore"
    ):
        plan_snapshot(project, project / "results", MIB)


def test_the_results_cannot_be_the_folder_itself(project):
    with pytest.raises(UserError, match="name another --log-dir"):
        plan_snapshot(project, project, MIB)


def test_a_copy_that_fails_leaves_nothing(project):
    snapshot = plan_snapshot(project, project / "results", MIB)
    Path(project / "problem.py").unlink()
    with pytest.raises(OSError, match=r"problem\.py"):
        take_snapshot(snapshot, project / "results" / "code")
    assert list((project / "results").iterdir()) == []
