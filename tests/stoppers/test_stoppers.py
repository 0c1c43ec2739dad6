import pytest

from dh_project.errors import UserError
from dh_project.stoppers import create_stopper
from dh_project.stoppers.bandit import BanditStopper
from dh_project.stoppers.median import MedianStopper
from dh_project.testing.stopper import StopperContract, crowd, reporting


class TestMedianStopper(StopperContract):
    def make(self):
        return MedianStopper()


class TestBanditStopper(StopperContract):
    def make(self):
        return BanditStopper(slack_factor=0.2)


class TestBanditStopperWithAnAmount(StopperContract):
    def make(self):
        return BanditStopper(slack_amount=0.5)


def test_the_median_needs_enough_others():
    others = [reporting(n, 0.0) for n in range(1, 5)]
    assert MedianStopper(fewest=5).goes_on(reporting(0, -9.0), others)
    assert not MedianStopper(fewest=4).goes_on(reporting(0, -9.0), others)


def test_the_median_judges_from_its_first_step_on():
    stopper = MedianStopper(first_step=3)
    assert stopper.goes_on(reporting(0, -99.0, -99.0), crowd())
    assert not stopper.goes_on(reporting(0, -99.0, -99.0, -99.0), crowd())


@pytest.mark.parametrize(("own", "goes_on"), [(-1.2, True), (-1.21, False), (-0.9, True)])
def test_a_slack_factor_lets_an_error_be_so_much_larger(own, goes_on):
    assert BanditStopper(slack_factor=0.2).goes_on(reporting(0, own), [reporting(1, -1.0)]) is goes_on


@pytest.mark.parametrize(("own", "goes_on"), [(0.84, True), (0.83, False)])
def test_a_slack_factor_is_a_ratio_of_positive_objectives(own, goes_on):
    assert BanditStopper(slack_factor=0.2).goes_on(reporting(0, own), [reporting(1, 1.0)]) is goes_on


def test_the_bandit_judges_at_its_interval_after_its_delay():
    stopper = BanditStopper(slack_amount=0.0, evaluation_interval=2, delay_evaluation=2)
    said = [
        stopper.goes_on(reporting(0, *[-9.0] * count), [reporting(1, *[0.0] * 6)]) for count in range(1, 7)
    ]
    assert said == [True, True, True, False, True, False]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("medain", {}, "did you mean 'median'"),
        ("median", {"first": 3}, "unknown setting 'first'"),
        ("median", {"fewest": "many"}, "give a number"),
        ("median", {"fewest": 0}, "at least 1"),
        ("bandit", {}, "one of the two"),
        ("bandit", {"slack_factor": 0.1, "slack_amount": 1.0}, "one of the two"),
        ("bandit", {"slack_factor": -1}, "0 or more"),
    ],
)
def test_a_wrong_setting_is_one_line(name, settings, said):
    with pytest.raises(UserError, match=said):
        create_stopper(name, settings)
