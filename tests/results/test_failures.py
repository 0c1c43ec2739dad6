from dh_project.results.failures import in_common
from dh_project.trial.trial import Cause, State, Trial


def failed(number, reason="boo", worker="node1:7", **point):
    return Trial(number, point, "any", 1, State.FAILED, reason=reason, cause=Cause.EXCEPTION, worker=worker)


def good(number, worker="node2:7", **point):
    return Trial(number, point, "any", 1, State.DONE, 1.0, worker=worker)


def test_reasons_that_differ_in_numbers_alone_are_one():
    trials = [failed(n, f"tried to allocate {n}00 MiB") for n in range(3)] + [failed(3, "no such file")]
    assert in_common(trials, [])[0] == "3 of 4: exception: tried to allocate 000 MiB (trial 0)"


def test_a_choice_that_never_worked_is_named():
    said = in_common([failed(0, a="tanh"), failed(1, a="tanh")], [good(2, a="relu")])
    assert "all have a = tanh, which never worked" in said


def test_numbers_beyond_those_that_worked_are_named():
    assert "all have n from 64 on; it worked up to 32" in in_common([failed(0, n=64)], [good(1, n=32)])
    assert "all have n up to 1; it worked from 2 on" in in_common([failed(0, n=1)], [good(1, n=2)])


def test_what_worked_too_is_not_blamed():
    said = in_common([failed(0, n=3, a="x"), failed(1, n=9, a="y")], [good(2, n=5, a="x")])
    assert not any("all have" in sentence for sentence in said)


def test_a_host_on_which_all_failed_is_named():
    assert "all ran on node1, where others ran elsewhere too" in in_common([failed(0)], [good(1)])
    assert len(in_common([failed(0)], [good(1, worker="node1:8")])) == 1


def test_no_failure_has_nothing_in_common():
    assert in_common([], [good(1)]) == []
