"""The ranks that carry workers, and their GPUs."""

from pathlib import Path

import pytest

from dh_project.common.errors import UserError
from dh_project.evaluators import check_spread
from dh_project.evaluators.mpi_slots import slots_of
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.shape import TrialShape


def ranks(nodes, each, gpus=()):
    """Return ranks by node, ``each`` of them on every node, which all see the same GPUs."""
    return {
        f"node{node}": [(node * each + local, list(gpus)) for local in range(each)] for node in range(nodes)
    }


def carried(nodes, shape=None, **settings):
    """Return rank and GPUs of each slot."""
    settings = EvaluatorSettings(shape or TrialShape(), **settings)
    return [(slot.rank, slot.gpus) for slot in slots_of(nodes, settings)]


FOUR = ("0", "1", "2", "3")


@pytest.mark.parametrize(
    ("nodes", "settings", "slots"),
    [
        (ranks(1, 3), {}, [(1, None), (2, None)]),
        (ranks(1, 3), {"num_workers": 3}, [(0, None), (1, None), (2, None)]),
        (ranks(1, 1), {}, [(0, None)]),
        (ranks(1, 2, FOUR[:2]), {}, [(0, ("0",)), (1, ("1",))]),
        (ranks(1, 2, FOUR), {}, [(0, ("0",)), (1, ("2",))]),
        (ranks(1, 3, FOUR[:2]), {}, [(1, ("0",)), (2, ("1",))]),
        (ranks(1, 2, FOUR), {"shape": TrialShape(gpus=2)}, [(0, ("0", "1")), (1, ("2", "3"))]),
        (
            ranks(1, 4, FOUR[:2]),
            {"shape": TrialShape(gpus=0.5)},
            [(0, ("0",)), (1, ("0",)), (2, ("1",)), (3, ("1",))],
        ),
        (ranks(1, 2, FOUR), {"shape": TrialShape(gpus=0), "num_workers": 2}, [(0, ()), (1, ())]),
    ],
    ids=[
        "CPUs: rank 0 searches alone",
        "rank 0 carries one if so many are asked for",
        "a single rank does both",
        "a GPU for each rank",
        "fewer ranks than GPUs: evenly spread",
        "one rank more than GPUs: rank 0 searches alone",
        "two GPUs a trial",
        "two trials a GPU",
        "no GPU is wanted",
    ],
)
def test_ranks_divide_the_gpus_of_their_node(nodes, settings, slots):
    assert carried(nodes, **settings) == slots


def test_ranks_of_a_trial_that_cannot_be_spread_evenly_are_refused():
    with pytest.raises(UserError, match="a multiple of --nodes-per-trial 2"):
        check_spread("mpi", EvaluatorSettings(TrialShape(processes=3, nodes=2)))


@pytest.mark.parametrize("folder", ["a#b", "what?"])
def test_a_folder_in_which_ranks_cannot_meet_is_refused(folder):
    check_spread("mpi", EvaluatorSettings(folder=Path(folder)))
    with pytest.raises(UserError, match="has no # and no"):
        check_spread("mpi", EvaluatorSettings(TrialShape(processes=2), folder=Path(folder)))


def test_ranks_take_gpus_in_the_order_of_the_site():
    slots = carried(ranks(2, 4, FOUR), gpu_order=(3, 2, 1, 0))
    assert slots == [(rank, (str(3 - rank % 4),)) for rank in range(8)]


def test_ranks_keep_the_gpu_that_their_launcher_gave_them():
    nodes = {"node0": [(0, ["3"]), (1, ["2"])]}
    assert carried(nodes, gpu_order=(3, 2, 1, 0)) == [(0, ("3",)), (1, ("2",))]


def test_ranks_that_all_call_their_own_gpu_0_share_none():
    nodes = ranks(2, 4, ["0"])
    assert carried(nodes, gpus_by_launcher=True) == [(rank, None) for rank in range(8)]
    with pytest.raises(UserError, match="there are 1 GPUs"):
        carried(nodes, TrialShape(gpus=2), gpus_by_launcher=True)


def test_rank_0_trains_too_if_a_trial_of_several_processes_needs_it():
    assert [rank for rank, _ in carried(ranks(1, 4), TrialShape(processes=4))] == [0, 1, 2, 3]
    assert len(carried(ranks(4, 4), TrialShape(processes=8, nodes=2))) == 16
    assert [rank for rank, _ in carried(ranks(1, 5), TrialShape(processes=4))] == [1, 2, 3, 4]


def test_the_ranks_of_a_trial_follow_each_other_on_its_nodes():
    order = [rank for rank, _ in carried(ranks(4, 2, FOUR[:2]), TrialShape(processes=2, nodes=2))]
    assert order == [0, 2, 1, 3, 4, 6, 5, 7]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_workers": 9}, "8 ranks hold 8 trials"),
        ({"shape": TrialShape(processes=9)}, "start more ranks"),
        ({"shape": TrialShape(processes=5, nodes=5)}, "no trial of 1 on each of 5"),
        ({"shape": TrialShape(gpus=3)}, "there are 2 GPUs"),
    ],
)
def test_more_than_the_ranks_hold_is_refused(settings, said):
    nodes = ranks(4, 2, FOUR[:2])
    with pytest.raises(UserError, match=said):
        carried(nodes, **settings)


def test_a_gpu_that_no_rank_sees_is_refused():
    with pytest.raises(UserError, match="no rank sees a GPU"):
        carried(ranks(1, 3), TrialShape(gpus=1))
