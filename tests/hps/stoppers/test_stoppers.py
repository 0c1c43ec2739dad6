import pytest

from dh_project.common.errors import UserError
from dh_project.hps.stoppers import create_stopper
from dh_project.hps.stoppers.bandit import BanditStopper
from dh_project.hps.stoppers.median import MOST_COMPARED, MedianStopper
from dh_project.testing.stopper import StopperContract, show, tell
from dh_project.trial.trial import State, Trial

OWN = """
from dh_project.hps.stoppers.base import Stopper

class Threshold(Stopper):
    name = "threshold"

    def __init__(self, lowest):
        self.lowest = lowest

    def goes_on(self, trial):
        return trial.reports[-1][1] >= self.lowest
"""


class TestMedianStopper(StopperContract):
    def make(self):
        return MedianStopper()


class TestBanditStopper(StopperContract):
    def make(self):
        return BanditStopper(slack_factor=0.2)


class TestBanditStopperWithAnAmount(StopperContract):
    def make(self):
        return BanditStopper(slack_amount=0.5)


def after(stopper, *others):
    """Return a stopper that has seen other trials report these objectives, one a trial."""
    for number, objective in enumerate(others, start=1):
        show(stopper, number, [objective])
    return stopper


def test_the_median_needs_enough_others():
    assert show(after(MedianStopper(fewest=5), *[0.0] * 4), 0, [-9.0]) == [True]
    assert show(after(MedianStopper(fewest=4), *[0.0] * 4), 0, [-9.0]) == [False]


def test_the_median_judges_from_its_first_step_on():
    stopper = MedianStopper(first_step=3, fewest=1)
    show(stopper, 1, [0.0] * 3)
    assert show(stopper, 0, [-9.0] * 3) == [True, True, False]


def test_the_median_is_of_averages_and_the_trial_s_best_counts():
    stopper = MedianStopper(fewest=1)
    show(stopper, 1, [0.0, 2.0])
    assert show(stopper, 2, [1.0, -9.0]) == [True, True]


def test_the_median_s_work_does_not_grow_with_the_search():
    stopper = MedianStopper()
    for number in range(2 * MOST_COMPARED):
        show(stopper, number, [float(number)])
    assert len(stopper._averages[1]) == MOST_COMPARED


@pytest.mark.parametrize(("own", "goes_on"), [(2.0, True), (1.9, False)])
def test_the_median_is_neither_the_best_nor_the_worst_of_the_others(own, goes_on):
    assert show(after(MedianStopper(fewest=3), 0.0, 9.0, 2.0), 0, [own]) == [goes_on]


def test_the_median_counts_a_trial_not_among_its_others_when_it_reports_a_step_again():
    stopper, trial = after(MedianStopper(fewest=2), 0.0), Trial(0, {}, "any", 1, State.RUNNING)
    tell(stopper, trial, 1, -9.0)
    trial.attempt = 2
    assert tell(stopper, trial, 1, -9.0)


@pytest.mark.parametrize(("own", "goes_on"), [(2.6, True), (2.4, False)])
def test_the_bandit_knows_the_third_best_when_the_best_ones_report_a_step_again(own, goes_on):
    stopper = BanditStopper(slack_amount=0.5)
    best, second, third = (Trial(number, {}, "any", 1, State.RUNNING) for number in (1, 2, 3))
    for trial, objective in ((best, 5.0), (second, 4.0), (third, 3.0), (best, -1.0), (second, -2.0)):
        tell(stopper, trial, 1, objective)
    assert show(stopper, 4, [own]) == [goes_on]


def test_the_bandit_compares_with_the_best_of_all_others():
    assert show(after(BanditStopper(slack_amount=0.5), -9.0, -1.0, -9.5, -8.0), 0, [-2.0]) == [False]


@pytest.mark.parametrize(("own", "goes_on"), [(-1.2, True), (-1.21, False), (-0.9, True)])
def test_a_slack_factor_lets_an_error_be_so_much_larger(own, goes_on):
    assert show(after(BanditStopper(slack_factor=0.2), -1.0), 0, [own]) == [goes_on]


@pytest.mark.parametrize(("own", "goes_on"), [(0.84, True), (0.83, False)])
def test_a_slack_factor_is_a_ratio_of_positive_objectives(own, goes_on):
    assert show(after(BanditStopper(slack_factor=0.2), 1.0), 0, [own]) == [goes_on]


def test_the_bandit_judges_at_its_interval_after_its_delay():
    stopper = BanditStopper(slack_amount=0.0, evaluation_interval=2, delay_evaluation=2)
    show(stopper, 1, [0.0] * 6)
    assert show(stopper, 0, [-9.0] * 6) == [True, True, True, False]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("medain", {}, "did you mean 'median'"),
        ("median", {"first": 3}, "unknown setting 'first'"),
        ("median", {"fewest": "many"}, "give a number"),
        ("median", {"fewest": 0}, "at least 1"),
        ("median", {"fewest": 2.5}, "give a whole number"),
        ("my.Threshold", {}, "my"),
        ("collections.OrderedDict", {}, "this is not a Stopper"),
        ("bandit", {}, "one of the two"),
        ("bandit", {"slack_factor": 0.1, "slack_amount": 1.0}, "one of the two"),
        ("bandit", {"slack_factor": -1}, "0 or more"),
    ],
)
def test_a_wrong_setting_is_one_line(name, settings, said):
    with pytest.raises(UserError, match=said):
        create_stopper(name, settings)


def test_a_stopper_of_one_s_own_is_named_by_its_place(tmp_path, monkeypatch):
    (tmp_path / "my_stopper.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    assert create_stopper("my_stopper.Threshold", {"lowest": -3}).lowest == -3
    with pytest.raises(UserError, match=r"cannot be constructed: TypeError.*lowest"):
        create_stopper("my_stopper.Threshold", {})
    with pytest.raises(UserError, match=r"name your own class"):
        create_stopper(str(tmp_path / "my_stopper.py"), {})
