import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.install.installation import NodeKind
from dh_project.hpc.balsam.jobs.packing import Wishes, pack

LAPTOP, POLARIS = NodeKind(cores=3), NodeKind(cores=32, gpus=4)


def shares(packing):
    """Shares of a node, as Balsam adds them up, with the driver's and the trials of one node."""
    return 1 / packing.driver.node_packing_count, 1 / packing.trial.node_packing_count


@pytest.mark.parametrize("job_mode", ["mpi", "serial"])
def test_one_node_holds_the_driver_and_trials(job_mode):
    packing = pack(LAPTOP, 1, job_mode, Wishes())
    assert (packing.slots, packing.trial.threads_per_rank, packing.trial.gpus_per_rank) == (2, 1, 0)


@pytest.mark.parametrize("job_mode", ["mpi", "serial"])
def test_each_gpu_gets_a_trial_and_its_part_of_the_cores(job_mode):
    packing = pack(POLARIS, 10, job_mode, Wishes())
    assert (packing.slots, packing.trial.threads_per_rank, packing.trial.gpus_per_rank) == (40, 7, 1)


@pytest.mark.parametrize("per_node", range(1, 60))
def test_a_serial_node_is_full_with_its_trials_and_the_driver(per_node):
    packing = pack(NodeKind(cores=64), 1, "serial", Wishes(trials_per_node=per_node))
    driver, trial = shares(packing)
    assert driver + per_node * trial <= 1.001 < driver + (per_node + 1) * trial


@pytest.mark.parametrize("per_node", range(1, 60))
def test_the_server_hands_out_the_last_trial_of_a_node_in_mpi_mode(per_node):
    driver, trial = shares(pack(NodeKind(cores=64), 1, "mpi", Wishes(trials_per_node=per_node)))
    left = 1.0 - driver
    for _ in range(per_node):
        assert trial <= left
        left -= trial


@pytest.mark.parametrize(
    ("node", "job_mode", "wishes", "is_tight"),
    [
        (NodeKind(cores=64), "mpi", Wishes(trials_per_node=2), True),  # 31 cores each
        (NodeKind(cores=64), "mpi", Wishes(trials_per_node=2, threads_per_rank=1), False),
        (NodeKind(cores=8), "mpi", Wishes(trials_per_node=4), False),  # one core each, and three are left
        (NodeKind(cores=64), "serial", Wishes(trials_per_node=2, threads_per_rank=1), True),
        (POLARIS, "mpi", Wishes(threads_per_rank=1), True),  # a GPU each
        (POLARIS, "mpi", Wishes(trials_per_node=2, threads_per_rank=1), False),
        (POLARIS, "mpi", Wishes(nodes_per_trial=2), True),
        (NodeKind(cores=8), "mpi", Wishes(), True),  # one more takes a core that is free, and is welcome
    ],
)
def test_it_is_known_where_a_launcher_would_start_more_trials_than_wanted(node, job_mode, wishes, is_tight):
    assert pack(node, 5, job_mode, wishes).is_tight is is_tight


def test_a_trial_of_several_nodes_leaves_one_to_the_driver():
    packing = pack(POLARIS, 7, "mpi", Wishes(nodes_per_trial=2, ranks_per_node=4))
    assert (packing.slots, packing.trial.num_nodes, packing.trial.gpus_per_rank) == (3, 2, 1)


def test_where_jobs_cannot_share_a_node_each_trial_has_one():
    assert pack(NodeKind(cores=64, packs=False), 4, "mpi", Wishes()).slots == 3


@pytest.mark.parametrize(
    ("node", "nodes", "job_mode", "wishes", "said"),
    [
        (POLARIS, 2, "mpi", Wishes(nodes_per_trial=2), "needs at least 3"),
        (POLARIS, 4, "serial", Wishes(ranks_per_node=2), "needs -j mpi"),
        (POLARIS, 1, "mpi", Wishes(gpus_per_trial=0.5), "whole GPUs"),
        (POLARIS, 1, "mpi", Wishes(gpus_per_trial=8), "has 4 GPUs"),
        (POLARIS, 1, "mpi", Wishes(trials_per_node=3, gpus_per_trial=2), "more than a node's 4"),
        (POLARIS, 1, "mpi", Wishes(gpus_per_trial=3, ranks_per_node=2), "cannot be shared by 2 ranks"),
        (
            LAPTOP,
            1,
            "serial",
            Wishes(trials_per_node=2, threads_per_rank=2),
            "of 2 cores each, are more than its 2 beside",
        ),
        (NodeKind(cores=64, packs=False), 1, "mpi", Wishes(), "needs at least 2"),
    ],
)
def test_what_does_not_fit_is_refused(node, nodes, job_mode, wishes, said):
    with pytest.raises(UserError, match=said):
        pack(node, nodes, job_mode, wishes)
