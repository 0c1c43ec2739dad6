import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs.request import Request
from dh_project.hpc.batch_jobs.request_check import check_request
from dh_project.hpc.sites.site import load_site

SITES = {name: load_site(name) for name in ("polaris", "aurora", "theta", "frontier", "perlmutter", "pbs")}

# site, queue, nodes, minutes: requests at both sides of each limit
TAKEN = [
    ("polaris", "debug", 1, 5),
    ("polaris", "debug", 2, 60),
    ("polaris", "debug-scaling", 10, 60),
    ("polaris", "prod", 10, 180),
    ("polaris", "prod", 24, 180),
    ("polaris", "prod", 25, 360),
    ("polaris", "prod", 99, 360),
    ("polaris", "prod", 100, 1440),
    ("polaris", "prod", 496, 1440),
    ("polaris", "preemptable", 10, 4320),
    ("polaris", "capacity", 4, 10080),
    ("polaris", "demand", 56, 60),
    ("aurora", "debug", 2, 60),
    ("aurora", "debug-scaling", 2, 60),
    ("aurora", "debug-scaling", 256, 60),
    ("aurora", "capacity", 16, 10080),
    ("aurora", "prod", 256, 720),
    ("aurora", "prod", 1024, 720),
    ("aurora", "prod", 1025, 1080),
    ("aurora", "prod", 1999, 1080),
    ("aurora", "prod", 2000, 1440),
    ("aurora", "prod", 10624, 1440),
    ("frontier", "batch", 1, 120),
    ("frontier", "batch", 91, 120),
    ("frontier", "batch", 92, 360),
    ("frontier", "batch", 183, 360),
    ("frontier", "batch", 184, 720),
    ("frontier", "batch", 9472, 720),
    ("frontier", "extended", 64, 1440),
    ("frontier", "debug", 1, 120),
]
REFUSED = [
    ("polaris", "debug", 3, 30),
    ("polaris", "debug", 2, 61),
    ("polaris", "debug", 1, 4),
    ("polaris", "debug-scaling", 11, 60),
    ("polaris", "prod", 9, 60),
    ("polaris", "prod", 10, 181),
    ("polaris", "prod", 24, 181),
    ("polaris", "prod", 25, 361),
    ("polaris", "prod", 99, 361),
    ("polaris", "prod", 100, 1441),
    ("polaris", "prod", 497, 60),
    ("polaris", "preemptable", 11, 60),
    ("polaris", "preemptable", 10, 4321),
    ("polaris", "capacity", 5, 60),
    ("polaris", "capacity", 4, 10081),
    ("aurora", "debug-scaling", 1, 60),
    ("aurora", "debug-scaling", 257, 60),
    ("aurora", "capacity", 17, 60),
    ("aurora", "prod", 255, 60),
    ("aurora", "prod", 1024, 721),
    ("aurora", "prod", 1025, 1081),
    ("aurora", "prod", 10625, 60),
    ("frontier", "batch", 91, 121),
    ("frontier", "batch", 92, 361),
    ("frontier", "batch", 184, 721),
    ("frontier", "batch", 9473, 60),
    ("frontier", "extended", 65, 60),
    ("frontier", "extended", 64, 1441),
    ("frontier", "debug", 1, 121),
]


def refusal(site, *what, **more):
    with pytest.raises(UserError) as error:
        check_request(SITES[site], Request(*what, **more))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("site", "queue", "nodes", "minutes"), TAKEN)
def test_a_request_at_the_edge_of_a_queue_is_taken(site, queue, nodes, minutes):
    check_request(SITES[site], Request(nodes, minutes, queue, "X"))


@pytest.mark.parametrize(("site", "queue", "nodes", "minutes"), REFUSED)
def test_a_request_over_the_edge_of_a_queue_is_refused(site, queue, nodes, minutes):
    assert f"queue {queue} takes" in refusal(site, nodes, minutes, queue, "X")


def test_a_refusal_names_the_queues_that_would_take_it():
    assert refusal("polaris", 4, 90, "prod", "X") == (
        "queue prod takes 10 to 496 nodes, not 4; queues that take 4 nodes for 90 minutes: preemptable, capacity"
    )


def test_queues_for_which_one_has_to_ask_are_not_proposed():
    assert "demand" not in refusal("polaris", 5, 61, "debug", "X").partition("queues that take")[2]


def test_a_request_that_no_queue_takes_is_told_what_would_do():
    line = refusal("polaris", 12, 181, "prod", "X")
    assert "at most 180 minutes for 12 nodes (execution queue small), not 181" in line
    assert "no queue takes 12 nodes for 181 minutes" in line
    assert "12 nodes fit prod 5 to 180 minutes" in line
    assert "181 minutes fit prod 25 to 496 nodes" in line


def test_a_request_that_only_a_queue_by_request_takes_is_told_so():
    line = refusal("polaris", 56, 3, "demand", "X")
    assert "at least 5 minutes" in line
    line = refusal("aurora", 20, 480, "capacity", "X")
    assert "visualization would, if the site gives you access" in line


def test_a_queue_to_which_jobs_are_sent_takes_none_itself():
    assert refusal("polaris", 12, 90, "small", "X") == (
        "queue small of polaris takes no jobs itself; submit to prod, which sends them"
    )


def test_an_unknown_queue_is_told_with_its_near_match():
    assert "'prood' (did you mean 'prod'?)" in refusal("polaris", 12, 90, "prood", "X")


@pytest.mark.parametrize("site", ["polaris", "aurora", "frontier", "perlmutter"])
def test_a_project_is_demanded_if_the_scheduler_does(site):
    assert "takes no job without a project; give --project" in refusal(site, 300, 60, None)


def test_a_site_that_was_switched_off_takes_nothing():
    assert refusal("theta", 128, 60, None, "X").startswith("theta: it was switched off")


@pytest.mark.parametrize(
    ("nodes", "minutes", "word"), [(0, 60, "--nodes 0"), (1, 0, "--minutes 0"), (-1, 1, "--nodes -1")]
)
def test_no_nodes_and_no_time_are_refused(nodes, minutes, word):
    assert refusal("pbs", nodes, minutes).startswith(word)


@pytest.mark.parametrize(
    "what",
    [
        {"project": "X\n#PBS -q debug"},
        {"queue": "a b"},
        {"name": "a;b"},
        {"filesystems": "home eagle"},
        {"name": "1st"},
        {"name": "a/b"},  # the output file of a job has its name
    ],
)
def test_what_would_break_a_directive_is_refused(what):
    assert next(iter(what)) in refusal("pbs", 1, 60, **what)


def test_the_execution_queue_of_a_job_is_told():
    assert "prod sends a job of 12 nodes to small" in check_request(
        SITES["polaris"], Request(12, 90, "prod", "X")
    )


def test_a_queue_that_kills_without_warning_is_told():
    notes = check_request(SITES["polaris"], Request(4, 90, "preemptable", "X"))
    assert any("killed without warning" in note for note in notes)


def test_a_queue_by_request_is_told():
    notes = check_request(SITES["polaris"], Request(4, 30, "demand", "X"))
    assert any("ask the site for access" in note for note in notes)


@pytest.mark.parametrize(
    ("site", "queue"), [("perlmutter", None), ("perlmutter", "debug"), ("pbs", None), ("pbs", "any")]
)
def test_nothing_is_refused_for_limits_that_are_not_known_and_that_is_told(site, queue):
    notes = check_request(SITES[site], Request(5000, 99999, queue, "X"))
    assert any("known" in note for note in notes)


def test_more_jobs_than_a_user_may_have_in_a_queue_are_refused():
    line = refusal("polaris", 2, 30, "debug-scaling", "X", jobs=2)
    assert line.startswith(
        "queue debug-scaling takes 1 job of a user at a time, not 2; queues that take 2 jobs of"
    )
    assert "capacity" in line


def test_more_jobs_than_a_project_may_have_in_a_queue_are_refused():
    check_request(SITES["polaris"], Request(2, 60, "preemptable", "X", jobs=20))
    line = refusal("polaris", 2, 60, "preemptable", "X", jobs=21)
    assert line.startswith("queue preemptable takes 20 jobs of a project at a time, not 21; ")


def test_what_a_site_says_of_every_job_is_told():
    for queue in ("debug", "capacity"):
        notes = check_request(SITES["aurora"], Request(1, 60, queue, "X"))
        assert any("CGCNN uses no Intel GPU" in note for note in notes)


def changed(facts, **change):
    return facts.model_copy(update=change)


def test_a_queue_without_chains_takes_one_job():
    site = SITES["frontier"]
    unlimited = changed(site.queues["batch"], jobs_per_user=None, jobs_per_project=None)
    chained, unchained = (
        changed(site, queues={"batch": changed(unlimited, chains=chains)}) for chains in (True, False)
    )
    check_request(chained, Request(1, 60, "batch", "X", jobs=2))
    check_request(unchained, Request(1, 60, "batch", "X"))
    with pytest.raises(UserError, match="queue batch takes no jobs that wait for one another"):
        check_request(unchained, Request(1, 60, "batch", "X", jobs=2))


@pytest.mark.parametrize(("site", "queue", "most"), [("frontier", "debug", 1), ("frontier", "batch", 100)])
def test_no_more_jobs_are_taken_than_a_user_may_have(site, queue, most):
    check_request(SITES[site], Request(1, 60, queue, "X", jobs=most))
    assert f"queue {queue} takes {most} job" in refusal(site, 1, 60, queue, "X", jobs=most + 1)


def test_no_more_jobs_are_taken_than_a_project_may_have():
    site = SITES["frontier"]
    queue = changed(site.queues["batch"], jobs_per_user=None, jobs_per_project=2)
    site = changed(site, queues={"batch": queue})
    check_request(site, Request(1, 60, "batch", "X", jobs=2))
    with pytest.raises(UserError, match="queue batch takes 2 jobs of a project at a time, not 3"):
        check_request(site, Request(1, 60, "batch", "X", jobs=3))


def test_the_default_queue_is_the_sites():
    assert Request(1, 1).queue_at(SITES["frontier"]) == "batch"
    assert Request(1, 1, "debug").queue_at(SITES["frontier"]) == "debug"
