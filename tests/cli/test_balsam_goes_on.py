"""``balsam-submit --resume`` continues a search if trials are left to run, or if retries were requested."""

import pytest

from dh_project.cli.balsam_checks import check_goes_on
from dh_project.cli.main import main
from dh_project.common.errors import UserError
from dh_project.hpc.balsam.jobs.submission import OVER, Over
from dh_project.hps.settings import SearchSettings

pytestmark = pytest.mark.slow


@pytest.fixture
def complete(tmp_path, samples):
    """Return the problem and run function of a search of one trial, and the folder in which it is complete."""
    search = {"problem": str(samples / "small_problem.py"), "run": str(samples / "small_run.py")}
    words = [f"--{name}={value}" for name, value in search.items()]
    assert main(["hps", "random", *words, "--max-evals", "1", "--log-dir", str(tmp_path)]) == 0
    Over(status=0, reason="all trials have ended").write(tmp_path)
    return search, tmp_path


def settings(search, count):
    return SearchSettings(searcher="random", max_evals=count, **search)


def test_a_complete_search_goes_on_with_more_trials_only(complete):
    search, folder = complete
    with pytest.raises(UserError, match="give a larger --max-evals"):
        check_goes_on(settings(search, 1), "demo", folder)
    check_goes_on(settings(search, 2), "demo", folder)


def test_a_complete_search_goes_on_that_was_set_up_to_by_tasks_retry(complete):
    search, folder = complete
    (folder / OVER).unlink()
    check_goes_on(settings(search, 1), "demo", folder)
