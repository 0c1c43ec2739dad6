import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.install.installation import NodeKind
from dh_project.hpc.balsam.jobs.packing import pack
from dh_project.trial.shape import TrialShape

ANY = TrialShape(cores=None)
ONE_CORE = TrialShape(cores=1)

LAPTOP, POLARIS = NodeKind(cores=3), NodeKind(cores=32, gpus=4)


def shares(packing):
    """Shares of a node, as Balsam adds them up, with the driver's and the trials of one node."""
    return 1 / packing.driver.node_packing_count, 1 / packing.trial.node_packing_count


@pytest.mark.parametrize("job_mode", ["mpi", "serial"])
def test_one_node_holds_the_driver_and_trials(job_mode):
    packing = pack(LAPTOP, 1, job_mode, ANY)
    assert (packing.slots, packing.trial.threads_per_rank, packing.trial.gpus_per_rank) == (2, 1, 0)


@pytest.mark.parametrize("job_mode", ["mpi", "serial"])
def test_each_gpu_gets_a_trial_and_its_part_of_the_cores(job_mode):
    packing = pack(POLARIS, 10, job_mode, ANY)
    assert (packing.slots, packing.trial.threads_per_rank, packing.trial.gpus_per_rank) == (40, 7, 1)


@pytest.mark.parametrize("per_node", range(1, 60))
def test_a_serial_node_is_full_with_its_trials_and_the_driver(per_node):
    packing = pack(NodeKind(cores=64), 1, "serial", ANY, per_node)
    driver, trial = shares(packing)
    assert driver + per_node * trial <= 1.001 < driver + (per_node + 1) * trial


@pytest.mark.parametrize("per_node", range(1, 60))
def test_the_server_hands_out_the_last_trial_of_a_node_in_mpi_mode(per_node):
    driver, trial = shares(pack(NodeKind(cores=64), 1, "mpi", ANY, per_node))
    left = 1.0 - driver
    for _ in range(per_node):
        assert trial <= left
        left -= trial


@pytest.mark.parametrize(
    ("node", "job_mode", "asked", "is_tight"),
    [
        (NodeKind(cores=64), "mpi", (ANY, 2), True),  # 31 cores each
        (NodeKind(cores=64), "mpi", (ONE_CORE, 2), False),
        (NodeKind(cores=8), "mpi", (ANY, 4), False),  # one core each, and three are left
        (NodeKind(cores=64), "serial", (ONE_CORE, 2), True),
        (POLARIS, "mpi", (ONE_CORE,), True),  # a GPU each
        (POLARIS, "mpi", (ONE_CORE, 2), False),
        (POLARIS, "mpi", (TrialShape(nodes=2, processes=2, cores=None),), True),
        (NodeKind(cores=8), "mpi", (ANY,), True),  # one more takes a core that is free, and is welcome
    ],
)
def test_a_launcher_that_would_start_more_trials_than_wanted_is_known(node, job_mode, asked, is_tight):
    assert pack(node, 5, job_mode, *asked).is_tight is is_tight


def test_a_trial_of_several_nodes_leaves_one_to_the_driver():
    packing = pack(POLARIS, 7, "mpi", TrialShape(processes=8, nodes=2, cores=None))
    assert (packing.slots, packing.trial.num_nodes, packing.trial.gpus_per_rank) == (3, 2, 1)


def test_each_trial_has_a_node_if_jobs_cannot_share_one():
    assert pack(NodeKind(cores=64, packs=False), 4, "mpi", ANY).slots == 3


@pytest.mark.parametrize(
    ("node", "nodes", "job_mode", "asked", "said"),
    [
        (POLARIS, 2, "mpi", (TrialShape(processes=2, nodes=2),), "needs at least 3"),
        (POLARIS, 4, "serial", (TrialShape(processes=2),), "needs -j mpi"),
        (POLARIS, 1, "mpi", (TrialShape(gpus=0.5),), "whole GPUs"),
        (POLARIS, 1, "mpi", (TrialShape(gpus=8),), "there are 4 GPUs"),
        (POLARIS, 1, "mpi", (TrialShape(gpus=2), 3), "of 2 GPUs each, are more than its 4"),
        (POLARIS, 1, "mpi", (TrialShape(processes=2, gpus=3),), "1, of 6 GPUs each, are more than its 4"),
        (LAPTOP, 1, "serial", (TrialShape(cores=2), 2), "of 2 cores each, are more than its 2 beside"),
        (NodeKind(cores=64, packs=False), 1, "mpi", (ANY,), "needs at least 2"),
    ],
)
def test_a_trial_that_does_not_fit_is_refused(node, nodes, job_mode, asked, said):
    with pytest.raises(UserError, match=said):
        pack(node, nodes, job_mode, *asked)


def test_gpus_are_counted_for_each_process_of_a_trial():
    packing = pack(POLARIS, 2, "mpi", TrialShape(processes=2, cores=None, gpus=2))
    assert (packing.slots, packing.trial.ranks_per_node, packing.trial.gpus_per_rank) == (2, 2, 2)
