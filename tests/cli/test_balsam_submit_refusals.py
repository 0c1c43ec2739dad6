"""Refusals of ``deephyper balsam-submit`` without a server: one line, exit status 2, nothing is left behind."""

import json
import shutil
import socket

import pytest

from dh_project.cli.main import main
from dh_project.hpc.balsam.client.credentials import Token, write_token
from dh_project.hpc.balsam.install import environment
from dh_project.hpc.balsam.install.environment import BALSAM, COPIED
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE, Description, Installation, NodeKind

BATCH = ["-t", "10", "-q", "local", "-n", "1", "-A", "local", "-j", "serial"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory, and no activated Balsam folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return folder


@pytest.fixture
def refused(capsys, here, samples):
    """Return a function that runs a refused submission, and returns the error line."""

    def refused(*words, search=True):
        named = ["-p", samples / "small_problem.py", "-r", samples / "small_run.py"] if search else []
        try:
            status = main(["balsam-submit", *map(str, [*words, *named])])
        except SystemExit as leaving:
            status = leaving.code
        errors = capsys.readouterr().err
        assert (status, errors.count("\n")) == (2, 1), errors
        assert list(here.iterdir()) == []
        return errors

    return refused


@pytest.fixture
def installation(tmp_path):
    """A Balsam folder that looks complete, but whose server is down."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    installation = Installation(tmp_path / "polydb")
    packages = installation.environment / "lib" / "python3.11" / "site-packages"
    (packages / "balsam").mkdir(parents=True)
    (packages / "balsam" / "__init__.py").touch()
    for name, original in COPIED.items():
        shutil.copy(original, packages / name)
    installation.python.parent.mkdir()
    installation.python.touch(0o755)
    made = {"balsam": BALSAM, "requirements": environment._requirements_digest()}
    (installation.environment / "dh_project.json").write_text(json.dumps(made))
    told = {"site_type": "local", "site_name": "here", "site_id": 1, "url": url, "owns_server": True}
    installation.write_description(Description(balsam=BALSAM, node=NodeKind(cores=3), **told))
    write_token(installation.token_file, Token(url, "abc", None))
    return installation


def test_without_words_it_prints_its_help(capsys):
    assert main(["balsam-submit"]) == 0
    assert "WORKFLOW" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nas", "demo"], "there is no architecture search any more"),
        (["hpo", "demo"], "did you mean 'hps'?"),
        (["hps"], "give the search a name"),
        (["hps", "a:b", *BATCH], "workflow 'a:b'"),
        (["hps", "a/b", *BATCH], "workflow 'a/b'"),
        (["hps", "x" * 101, *BATCH], "give at most 100"),
        (["hps", "demo"], "-t, -q, -n, -j missing"),
        (["hps", "demo", *BATCH, "-t", "2"], "give at least 3"),
        (["hps", "demo", *BATCH, "-n", "0"], "give at least 1"),
        (["hps", "demo", *BATCH, "-j", "mp"], "did you mean 'mpi'?"),
        (["hps", "demo", *BATCH, "--chain", "0"], "give at least 1"),
        (["hps", "demo", *BATCH, "--max-eval", "3"], "did you mean '--max-evals'?"),
        (["hps", "demo", *BATCH, "--max-evals", "0"], "give at least 1"),
        (["hps", "demo", *BATCH, "--run-kwargs", "secnds=1"], "did you mean 'seconds'?"),
        (["hps", "demo", *BATCH, "--run-kwargs", "seconds"], "key=value"),
    ],
)
def test_what_the_command_line_alone_tells(refused, words, said):
    assert said in refused(*words)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--log-dir", "x"], "balsam-submit sets this option itself"),
        (["--walltime=60"], "balsam-submit sets this option itself"),
        (["--stoper", "median"], "did you mean '--stopper'?"),
        (["--stopper", "medain"], "did you mean 'median'?"),
        (["--surrogate-model", "ETT"], "did you mean 'ET'?"),
    ],
)
def test_options_for_hps_are_checked_before_they_are_handed_on(refused, samples, more, said):
    named = ["-p", samples / "small_problem.py", "-r", samples / "small_run.py"]
    assert said in refused("hps", "demo", *BATCH, *named, "--", *more, search=False)


@pytest.mark.parametrize(
    ("problem", "run", "said"),
    [
        ("nope.Problem", "small_run.py", "there is no module 'nope'"),
        ("nope.py", "small_run.py", "nope.py'; name a Python file"),
        ("small_problem.py", "nope.run", "there is no module 'nope'"),
        ("small_problem.py", "json.__name__", "cannot be called"),
    ],
)
def test_problem_and_run_are_loaded(refused, samples, problem, run, said):
    named = [samples / each if each.startswith("small") else each for each in (problem, run)]
    assert said in refused("hps", "demo", *BATCH, "-p", named[0], "-r", named[1], search=False)


def test_no_balsam_folder_that_is_activated(refused):
    assert "deephyper balsam-init DIR" in refused("hps", "demo", *BATCH)


def test_a_site_by_its_name_needs_a_server_to_know_it(refused):
    assert "--site polaris: there is no such folder" in refused("hps", "demo", *BATCH, "--site", "polaris")


def test_a_folder_that_is_something_else(refused, tmp_path):
    (tmp_path / "other").mkdir()
    assert "this is not a complete Balsam folder" in refused(
        "hps", "demo", *BATCH, "--site", tmp_path / "other"
    )


def test_a_server_that_is_down(refused, installation, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(installation.folder))
    assert "deephyper balsam-start" in refused("hps", "demo", *BATCH)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda at: at.python.unlink(), "its interpreter is missing"),
        (lambda at: (at.environment / "dh_project.json").unlink(), "was not finished"),
        (
            lambda at: (at.environment / "dh_project.json").write_text('{"balsam": "0.8"}'),
            f"it holds Balsam 0.8, and this version needs {BALSAM}",
        ),
    ],
)
def test_an_environment_that_is_broken_or_of_another_version(refused, installation, broken, said):
    broken(installation)
    line = refused("hps", "demo", *BATCH, "--site", installation.folder)
    assert said in line
    assert f"deephyper balsam-init {installation.folder}" in line


def test_a_setting_of_the_site_that_is_misspelt(refused, installation):
    installation.settings_file.write_text('ouputs = "x"\n')
    assert "did you mean 'outputs'?" in refused("hps", "demo", *BATCH, "--site", installation.folder)
