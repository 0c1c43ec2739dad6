"""How many processes and trials a node holds, and which cores and GPUs each of them gets."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dh_project.common.errors import UserError
from dh_project.evaluators.placement import (
    Capacity,
    cores_of_slots,
    cores_per_process,
    gpus_of_slots,
    gpus_per_process,
    in_order_of_trials,
    processes_on_cores,
    processes_on_gpus,
    processes_on_node,
    share_of_a_gpu,
    trials_on_nodes,
)
from dh_project.trial.shape import TrialShape


@pytest.mark.parametrize(
    ("node", "shape", "count"),
    [
        (Capacity((8,)), TrialShape(), 8),
        (Capacity((8,)), TrialShape(cores=3), 2),
        (Capacity((8,)), TrialShape(cores=9), 0),
        (Capacity((8,), gpus=2), TrialShape(), 2),
        (Capacity((8,), gpus=2), TrialShape(gpus=0.25), 8),
        (Capacity((8,), gpus=2), TrialShape(gpus=0), 8),
        (Capacity((8,), gpus=4), TrialShape(gpus=2), 2),
        (Capacity((8,), gpus=4), TrialShape(cores=4), 2),
        (Capacity((8,), gpus=4), TrialShape(cores=None), 4),
        (Capacity((51, 51)), TrialShape(cores=26), 2),
        (Capacity((51, 51)), TrialShape(cores=60), 1),
        (Capacity(gpus=4), TrialShape(cores=100), 4),
    ],
    ids=[
        "a process a core",
        "three cores each",
        "too large",
        "a GPU each",
        "four on a GPU",
        "no GPU",
        "two GPUs each",
        "fewer cores than GPUs",
        "an even share of the cores",
        "not across sockets",
        "larger than a socket",
        "cores that are not known",
    ],
)
def test_a_node_holds_what_its_cores_and_gpus_allow(node, shape, count):
    assert processes_on_node(node, shape) == count


shares = st.one_of(st.integers(1, 4).map(float), st.integers(1, 30).map(lambda on_each: 1 / on_each))


@given(share=shares, gpus=st.integers(1, 16), data=st.data())
def test_no_gpu_has_more_processes_than_its_share_allows_and_none_is_idle_without_need(share, gpus, data):
    names = [str(index) for index in range(gpus)]
    most = processes_on_gpus(share, gpus)
    if not most:
        return
    count = data.draw(st.integers(1, most))
    slots = gpus_of_slots(share, names, count)
    users = Counter(name for slot in slots for name in slot)
    assert len(slots) == count
    assert {len(slot) for slot in slots} == {max(1, int(share))}
    assert max(users.values()) * min(share, 1.0) <= 1 + 1e-9
    assert len(users) == min(count, gpus // max(1, int(share))) * max(1, int(share))


@given(processes=st.integers(1, 200), gpus=st.integers(1, 16))
def test_a_share_that_is_advised_is_large_enough_for_so_many_processes(processes, gpus):
    assert processes_on_gpus(gpus_per_process(share_of_a_gpu(processes, gpus), gpus), gpus) >= processes


sockets = st.lists(st.integers(1, 64), min_size=1, max_size=4)


@given(sizes=sockets, cores=st.integers(1, 64))
def test_processes_that_fit_have_so_many_cores(sizes, cores):
    count = processes_on_cores(sizes, cores)
    if count > 1 and min(sizes) >= cores:
        assert cores_per_process(sizes, count) >= cores


@given(sizes=sockets, count=st.integers(1, 80))
def test_no_two_processes_share_a_core_and_none_is_on_two_sockets(sizes, count):
    numbered = [[(socket, core) for core in range(size)] for socket, size in enumerate(sizes)]
    if not cores_per_process(sizes, count):
        return
    lists = cores_of_slots(numbered, count)
    every = [core for own in lists for core in own]
    assert len(lists) == count
    assert len(set(every)) == len(every)
    assert {len(own) for own in lists} == {cores_per_process(sizes, count)}
    assert count == 1 or all(len({socket for socket, _ in own}) == 1 for own in lists)


shapes = st.tuples(st.integers(1, 4), st.integers(1, 4)).map(
    lambda each: TrialShape(processes=each[0] * each[1], nodes=each[1])
)


@given(counts=st.lists(st.integers(1, 9), max_size=8), shape=shapes)
def test_the_slots_of_a_trial_are_on_as_many_nodes_as_it_is_to_have(counts, shape):
    nodes = [[(node, slot) for slot in range(count)] for node, count in enumerate(counts)]
    ordered = in_order_of_trials(nodes, shape)
    trials = len(ordered) // shape.processes
    assert trials == trials_on_nodes(counts, shape)
    assert len(set(ordered)) == len(ordered)
    if shape.nodes > 1:
        for trial in range(trials):
            own = ordered[trial * shape.processes : (trial + 1) * shape.processes]
            assert set(Counter(node for node, _ in own).values()) == {shape.processes_per_node}
            assert len({node for node, _ in own}) == shape.nodes


@pytest.mark.parametrize(
    ("asked", "gpus", "said"),
    [
        (-1, 4, "give 0 or more"),
        (float("nan"), 4, "give 0 or more"),
        (1e-9, 4, "at least 0.0001"),
        (1, 0, "no GPU here"),
        (5, 4, "there are 4 GPUs"),
        (1.5, 4, "a share below 1 or a whole number"),
    ],
)
def test_gpus_that_no_process_can_have_are_refused(asked, gpus, said):
    with pytest.raises(UserError, match=said):
        gpus_per_process(asked, gpus)
