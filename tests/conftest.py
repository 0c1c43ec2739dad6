"""Fixtures for all tests, which of them run side by side; and on CI, a test that is skipped fails."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from halides import write_halides

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a suite that was started in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the programs of tests inherit it


@pytest.fixture(autouse=True)
def import_path_of_each_test() -> Iterator[None]:
    """Restore the import path, to which commands that run in this process add the folders of projects."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what tests prepare and submit out of the user's own folders; share the cache among them."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DH_PROJECT_CACHE", str(folder))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield folder


@pytest.fixture(scope="session")
def balsam_folder() -> Iterator[Path]:
    """A folder of ``balsam-init`` in which all runs; DH_PROJECT_TEST_BALSAM names one that is there already."""
    from dh_project.cli.main import main

    named = os.environ.get("DH_PROJECT_TEST_BALSAM")
    if named:
        assert main(["balsam-init", named]) == 0
        yield Path(named)
        return
    home = Path(tempfile.mkdtemp(prefix="balsam-", dir="/tmp"))  # short, for the sockets in it
    home.chmod(0o711)
    folder = home / "polydb"
    assert main(["balsam-init", str(folder)]) == 0
    yield folder
    main(["balsam-stop", "--all", str(folder)])
    shutil.rmtree(home)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With ``-n 2``, run files side by side, but for those of the one Balsam and of the one Slurm."""
    from xdist.scheduler import LoadFileScheduling

    class OneServerEach(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return next((server for server in ("balsam", "clusters") if server in file), file)

    return OneServerEach(config, log)


@pytest.fixture(scope="session")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of twelve alkali halides, as the original CGCNN takes one."""
    folder = tmp_path_factory.mktemp("crystals") / "halides"
    write_halides(folder)
    return folder


@pytest.fixture
def samples() -> Path:
    """Folder of small problem and run modules."""
    return Path(__file__).parent / "samples"


MAY_SKIP = ("GPU", "../shared", "root", "ORIGINAL_CGCNN")
"""Words in the reason of a skip that CI allows: what a CI machine may lack."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Turn a skip into a failure on CI, where every real part is installed."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(word in reason for word in MAY_SKIP):
            report.outcome, report.longrepr = "failed", f"skipped on CI: {reason}"
    return report
