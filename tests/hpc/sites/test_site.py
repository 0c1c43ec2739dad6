import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.sites.names import PACKAGE, site_names
from dh_project.hpc.sites.site import load_site

PACKAGED = sorted(file.stem for file in PACKAGE.glob("*.toml"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder for the user's own site files; those of this machine are hidden."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    place = tmp_path / "own"
    place.mkdir()
    monkeypatch.setenv("DH_PROJECT_SITES", str(place))
    return place


def test_the_package_knows_the_sites_it_speaks_of():
    assert {"polaris", "aurora", "theta", "perlmutter", "frontier", "pbs", "slurm"} <= set(site_names())


@pytest.mark.parametrize("name", PACKAGED)
def test_every_table_of_facts_names_its_sources_and_every_source_is_used(name):
    site = load_site(name)
    without = [
        place for place, table in site.tables().items() if table.model_fields_set and not table.sources
    ]
    used = {source for table in site.tables().values() for source in table.sources}
    assert without == []
    assert used == set(site.sources)


@pytest.mark.parametrize("name", PACKAGED)
def test_a_queue_of_tiers_takes_what_one_of_them_takes(name):
    for queue in load_site(name).queues.values():
        for tier in queue.tiers:
            for nodes in (tier.min_nodes, tier.max_nodes):
                assert queue.takes(nodes, tier.max_minutes)
                assert not queue.takes(nodes, tier.max_minutes + 1)


def test_gpus_of_polaris_are_in_reverse_order_of_local_ranks():
    assert load_site("polaris").gpu.by_local_rank == (3, 2, 1, 0)


def test_theta_is_kept_and_said_to_be_switched_off():
    assert "switched off" in load_site("theta").retired


def test_a_file_of_ones_own_comes_before_the_package(folder):
    (folder / "polaris.toml").write_text('base = "polaris"\ntitle = "mine"\n')
    site = load_site("polaris")
    assert site.title == "mine"
    assert site.queues["prod"].max_nodes == 496


def test_sites_in_the_configuration_folder_are_found(tmp_path):
    place = tmp_path / "config" / "dh_project" / "sites"
    place.mkdir(parents=True)
    (place / "lab.toml").write_text('base = "slurm"\n')
    assert "lab" in site_names()
    assert load_site("lab").scheduler == "slurm"


def test_a_path_names_a_site_and_its_base_may_be_a_path_beside_it(tmp_path):
    (tmp_path / "below.toml").write_text('base = "pbs"\ntitle = "below"\n[node]\ncores = 8\n')
    (tmp_path / "above.toml").write_text('base = "below.toml"\n[node]\nshared = true\n')
    site = load_site(str(tmp_path / "above.toml"))
    assert (site.name, site.title, site.node.cores, site.node.shared) == ("above", "below", 8, True)


def test_what_a_file_says_of_a_queue_leaves_the_rest_of_it_and_the_other_queues(folder):
    (folder / "mine.toml").write_text(
        'base = "polaris"\n[queues.debug]\nmax_nodes = 1\n[queues.own]\nmax_nodes = 3\n'
    )
    queues = load_site("mine").queues
    assert (queues["debug"].max_nodes, queues["debug"].max_minutes) == (1, 60)
    assert queues["own"].max_nodes == 3
    assert queues["capacity"].max_nodes == 4


def test_a_site_of_this_folder_is_not_found_by_chance(tmp_path, monkeypatch):
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "chance.toml").write_text('base = "pbs"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="unknown site 'chance'"):
        load_site("chance")


def test_an_unknown_site_is_told_with_its_near_match():
    with pytest.raises(UserError, match=r"unknown site 'polrais' \(did you mean 'polaris'\?\)"):
        load_site("polrais")


def test_a_path_that_is_not_there_is_told():
    with pytest.raises(UserError, match=r"nowhere\.toml: there is no such file"):
        load_site("nowhere.toml")


WHOLE = """
title = "mine"
scheduler = "pbs"
[directives]
lines = ["-q {queue}"]
[launch]
ranks = "mpiexec -n {ranks}"
local_rank = ["PMI_LOCAL_RANK"]
"""


def test_a_whole_site_of_ones_own_needs_no_base_and_no_sources(folder):
    (folder / "mine.toml").write_text(WHOLE)
    assert load_site("mine").title == "mine"


BAD = {
    "an unknown key": ("colour = 1\n", "unknown key 'colour'"),
    "a near one": ("tittle = 1\n", "unknown key 'tittle' (did you mean 'title'?)"),
    "an unknown key of a queue": (
        "[queues.debug]\nmax_node = 3\n",
        "unknown key 'queues.debug.max_node' (did you mean 'max_nodes'?)",
    ),
    "an unknown key of a tier": (
        "[queues.x]\ntiers = [{min_nodes=1, max_nodes=2, max_minutes=3, nam='a'}]\n",
        "unknown key 'queues.x.tiers.0.nam' (did you mean 'name'?)",
    ),
    "an unknown key of the node": ("[node]\ncors = 3\n", "unknown key 'node.cors' (did you mean 'cores'?)"),
    "an unknown key of the GPUs": ("[gpu]\ncount=1\ncoun = 3\n", "'gpu.coun' (did you mean 'count'?)"),
    "a missing key": ("[gpu]\nmodel = 'x'\n", "the key 'gpu.count' is missing"),
    "a wrong kind": (
        "[queues.x]\nmax_nodes = 'many'\n",
        "queues.x.max_nodes: Input should be a valid integer",
    ),
    "no nodes": ("[queues.x]\nmax_nodes = 0\n", "queues.x.max_nodes: Input should be greater than 0"),
    "limits that cross": (
        "[queues.x]\nmin_nodes = 5\nmax_nodes = 4\n",
        "queues.x: max_nodes 4 is below min_nodes 5",
    ),
    "a tier that crosses": (
        "[queues.x]\ntiers = [{min_nodes=3, max_nodes=2, max_minutes=3}]\n",
        "queues.x.tiers.0: max_nodes 2 is below min_nodes 3",
    ),
    "more reserved cores than there are": (
        "[node]\ncores = 4\nsockets = 2\nreserved_cores = [2, 3]\n",
        "node: reserved_cores [2, 3] leave no core of a socket for jobs",
    ),
    "a reserved core that is none": (
        "[node]\ncores = 4\nreserved_cores = [4]\n",
        "node: reserved_cores [4] are not all of 0 to 3",
    ),
    "cores beyond count": ("[node]\ncores = 99999999999\n", "node.cores: Input should be less than"),
    "sockets of different sizes": ("[node]\ncores = 5\nsockets = 2\n", "node: cores 5 are not a multiple of"),
    "GPUs beyond count": ("[gpu]\ncount = 99999999999\n", "gpu.count: Input should be less than"),
    "a wrong order of GPUs": (
        "[gpu]\ncount = 2\norder = [0, 2]\n",
        "gpu: order [0, 2] is none of the devices 0 to 1",
    ),
    "an unknown default queue": (
        "default_queue = 'a'\n[queues.b]\n",
        "default_queue 'a' is none of b",
    ),
    "an unknown source": ("[node]\nsources = ['x']\n", "node names the source 'x', which is none of"),
    "a directive of unknown parts": (
        "[directives]\nlines = ['-l {memory}']\n",
        "directives: '-l {memory}' holds {memory}; known are project, name,",
    ),
    "a directive of two lines": (
        "[directives]\nlines = ['-a\\n-b']\n".replace("'", '"'),
        "has several lines",
    ),
    "a directive of a number's form": (
        '[directives]\nlines = ["-N {nodes:d}"]\n',
        "directives: '-N {nodes:d}' holds more than a name in braces; give {nodes} alone",
    ),
    "a launch line of a number's form": ('[launch]\nranks = "srun {ranks:d}"\n', "launch: 'srun {ranks:d}'"),
    "a binding with a conversion": (
        '[launch]\nbinding = "-c {cores!r}"\n',
        "launch: '-c {cores!r}' holds more",
    ),
    "a queue's directive with a form": (
        '[queues.x]\ndirectives = ["{queue:>9}"]\n',
        "queues.x: '{queue:>9}'",
    ),
    "Ray's directive of unknown parts": (
        "[ray]\ndirectives = ['{memory}']\n",
        "ray: '{memory}' holds {memory}",
    ),
    "a title of two lines": ('title = "a\\nrm -rf x"\n', "title: 'a\\nrm -rf x' has several lines"),
    "an end of two lines": ('retired = "a\\nb"\n', "retired: 'a\\nb' has several lines"),
    "a note of two lines": ('notes = ["a", "b\\rc"]\n', "notes.1: 'b\\rc' has several lines"),
    "a queue's note of two lines": ('[queues.x]\nnote = "a\\nb"\n', "queues.x.note: 'a\\nb' has several"),
    "a queue's name of two lines": ('[queues."a\\nb"]\n', "'a\\nb' has several lines"),
    "a proxy of two lines": ('[environment.proxies]\nhttp = "a\\nb"\n', "'a\\nb' has several lines"),
    "a scratch of two lines": (
        '[scratch]\nfolder = "/a\\nb"\n',
        "scratch.folder: '/a\\nb' has several lines",
    ),
    "a network that is a command": ('[ray]\ninterface = "a; b"\n', "ray.interface: "),
    "a brace that is open": ("[directives]\nlines = ['-l {nodes']\n", "directives: "),
    "its own name": ("name = 'x'\n", "unknown key 'name'; the name of a site is that of its file"),
    "no TOML": ("a b\n", "cannot be read as TOML"),
    "an unknown base": ("base = 'polrais'\n", "base: unknown site 'polrais' (did you mean 'polaris'?)"),
    "a base that is no name": ("base = 3\n", "base: give the name of a site, or a path"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_a_bad_file_is_told_in_a_line_with_file_and_key(folder, text, words):
    file = folder / "bad.toml"
    file.write_text(text if "base" in text else f'base = "pbs"\n{text}')
    with pytest.raises(UserError) as error:
        load_site("bad")
    assert str(error.value).startswith(f"{file}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_two_files_that_build_on_each_other_are_refused(folder):
    (folder / "a.toml").write_text('base = "b"\n')
    (folder / "b.toml").write_text('base = "a"\n')
    with pytest.raises(UserError, match="builds on this file itself"):
        load_site("a")


def test_two_paths_that_build_on_each_other_are_refused(folder):
    (folder / "a.toml").write_text('base = "./b.toml"\n')
    (folder / "b.toml").write_text('base = "../own/a.toml"\n')
    with pytest.raises(UserError, match="builds on this file itself"):
        load_site("a")
