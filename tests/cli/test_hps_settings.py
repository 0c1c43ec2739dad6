"""What the options of ``deephyper hps`` say of the end of a search."""

import time

import psutil
import pytest

from dh_project.cli.hps_settings import settings_of
from dh_project.cli.main import make_parser
from dh_project.common.errors import UserError
from dh_project.hps.limits import limits_of as limits_of_settings


def age():
    """Return for how many seconds this process has run."""
    return time.time() - psutil.Process().create_time()


def limits_of(*options):
    return limits_of_settings(
        settings_of(
            make_parser().parse_args(["hps", "random", "--problem", "p.py", "--run", "r.py", *options])
        )
    )


def test_a_wall_time_counts_from_the_start_of_the_process():
    before = age()
    left = limits_of("--walltime", "1:00:00").ends_at - time.monotonic()
    assert 3600 - age() - 0.01 <= left <= 3600 - before + 0.01
    assert before > 0.1  # a process of tests takes longer than that to come here


def test_the_margin_is_the_one_that_is_given():
    assert limits_of("--walltime", "1:00:00", "--margin", "5").margin == 5.0
    assert limits_of("--walltime", "1:00:00").margin == 60.0


def test_without_options_a_search_has_no_end_in_time():
    given = limits_of()
    assert (given.timeout, given.ends_at, given.trial_timeout, given.trial_memory) == (None, None, None, None)


def test_each_limit_is_taken_from_its_option_in_its_unit():
    options = ["--max-evals", "7", "--timeout", "90", "--max-retries", "3", "--max-failures", "5"]
    given = limits_of(*options, "--trial-memory", "2", "--trial-timeout", "30")
    assert (given.max_evals, given.timeout, given.max_retries, given.max_failures) == (7, 90.0, 3, 5)
    assert (given.trial_memory, given.trial_timeout) == (2 * 2**30, 30.0)


@pytest.mark.parametrize(
    ("option", "instead"),
    [("--ranks-per-trial", "--num-ranks-per-node"), ("--num-cpus-per-task", "--num-threads-per-rank")],
)
def test_balsam_ignores_no_resources(option, instead):
    with pytest.raises(UserError, match=f"{option}: with --evaluator balsam, give {instead} instead"):
        limits_of("--evaluator", "balsam", option, "2")


def test_minus_one_is_no_limit():
    given = limits_of("--max-evals", "-1", "--max-failures", "-1")
    assert (given.max_evals, given.max_failures) == (None, None)
