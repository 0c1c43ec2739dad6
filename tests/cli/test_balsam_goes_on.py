"""``balsam-submit --resume`` continues a search if trials are left to run, or if retries were requested."""

import pytest

from dh_project.cli.balsam_checks import check_goes_on, validate
from dh_project.cli.main import main
from dh_project.common.errors import UserError
from dh_project.hpc.balsam.jobs.submission import OVER, Over, Submission


@pytest.fixture
def complete(tmp_path, samples):
    """Return the options of a search of one trial, and the folder in which it is complete."""
    words = [f"--problem={samples / 'small_problem.py'}", f"--run={samples / 'small_run.py'}"]
    assert main(["hps", "random", *words, "--max-evals", "1", "--log-dir", str(tmp_path)]) == 0
    Over(status=0, reason="all trials have ended").write(tmp_path)
    return words, tmp_path


def parsed(words, count):
    more = [*words, "--max-evals", str(count)]
    return validate(Submission(workflow="demo", searcher="random", options={}, more=more, import_from="/"))[1]


def test_a_complete_search_goes_on_with_more_trials_only(complete):
    words, folder = complete
    with pytest.raises(UserError, match="give a larger --max-evals"):
        check_goes_on(parsed(words, 1), "demo", folder)
    check_goes_on(parsed(words, 2), "demo", folder)


def test_a_complete_search_goes_on_that_was_set_up_to_by_tasks_retry(complete):
    words, folder = complete
    (folder / OVER).unlink()
    check_goes_on(parsed(words, 1), "demo", folder)
