import pytest

from dh_project.common.errors import UserError
from dh_project.hps.stoppers import STOPPERS, create_stopper
from dh_project.hps.stoppers.bandit import BanditStopper
from dh_project.hps.stoppers.median import MedianStopper
from dh_project.hps.stoppers.other_words import ALIASES
from dh_project.hps.stoppers.patience import PatienceStopper
from dh_project.hps.stoppers.percentile import PercentileStopper
from dh_project.hps.stoppers.truncation import TruncationStopper
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

    def flipped(self, error):
        return 1 / error  # the slack is a ratio


class TestBanditStopperWithAnAmount(StopperContract):
    def make(self):
        return BanditStopper(slack_amount=0.5)


class TestPercentileStopper(StopperContract):
    def make(self):
        return PercentileStopper(percentile=25)


class TestTruncationStopper(StopperContract):
    def make(self):
        return TruncationStopper(truncation_percentage=40, evaluation_interval=2)


class TestPatienceStopper(StopperContract):
    def make(self):
        return PatienceStopper(patience=3)


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


@pytest.mark.parametrize(("own", "goes_on"), [(8.0, True), (7.9, False)])
def test_the_percentile_is_the_share_that_goes_on(own, goes_on):
    assert show(after(PercentileStopper(percentile=25), 2.0, 4.0, 6.0, 8.0, 10.0), 0, [own]) == [goes_on]


@pytest.mark.parametrize(("own", "goes_on"), [(1.5, True), (0.5, False)])
def test_the_truncation_stops_the_worst_share_of_all_trials_at_a_step(own, goes_on):
    others = 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.0
    assert show(after(TruncationStopper(truncation_percentage=20), *others), 0, [own]) == [goes_on]


def test_the_truncation_stops_none_of_fewer_trials_than_its_share_needs():
    assert show(after(TruncationStopper(truncation_percentage=20), 1.0, 2.0, 3.0), 0, [-9.0]) == [True]
    assert show(after(TruncationStopper(truncation_percentage=20), 1.0, 2.0, 3.0, 4.0), 0, [-9.0]) == [False]


def test_the_truncation_judges_at_its_interval_after_its_delay():
    stopper = TruncationStopper(truncation_percentage=50, evaluation_interval=2, delay_evaluation=2)
    show(stopper, 1, [0.0] * 6)
    assert show(stopper, 0, [-9.0] * 6) == [True, True, True, False]


def test_patience_stops_even_the_best_trial_if_it_no_longer_improves():
    stopper = PatienceStopper(patience=2)
    show(stopper, 1, [-9.0] * 2)
    assert show(stopper, 0, [1.0, 2.0, 2.0, 1.0, 3.0]) == [True, True, True, False]


@pytest.mark.parametrize(("min_delta", "said"), [(0.0, [True] * 4), (0.5, [True, True, False])])
def test_an_improvement_below_min_delta_is_none(min_delta, said):
    assert show(PatienceStopper(patience=2, min_delta=min_delta), 0, [0.0, 0.2, 0.4, 0.6]) == said


def test_small_improvements_count_together_from_the_last_one_that_was_large_enough():
    stopper = PatienceStopper(patience=2, min_delta=0.5)
    assert show(stopper, 0, [0.0, 0.4, 0.8, 1.2, 1.6, 2.0]) == [True, True] * 3


@pytest.mark.parametrize(
    ("word", "ours"), [(word, ours) for word, ours in ALIASES.items() if ours in STOPPERS]
)
def test_a_word_of_another_program_makes_the_stopper(word, ours):
    assert create_stopper(word, {"slack_factor": 0.1} if ours == "bandit" else {}).name == ours


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("MedianPruner", {"n_warmup_steps": 3}, "here it is first_step"),
        ("percentile", {"percentile": 100}, "below 100"),
        ("truncation", {"truncation_percentage": 0}, "above 0"),
        ("truncation", {"evaluation_interval": 0}, "at least 1"),
        ("patience", {"patience": 0}, "at least 1"),
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
