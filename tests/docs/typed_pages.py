"""What a reader of each page does otherwise here: smaller searches, no other machines."""

from reading import Page

ELSEWHERE = "that machine is not here"

SET_UP = "sets up the environment that these tests have already; CI begins with it"

SAMPLES = "$REPOSITORY/tests/samples"

SMALL = {
    r"(model_run\.run.*) --run-kwargs epochs=1( threads=2)?": r"\1 --run-kwargs seconds=0.5",
    r"(--problem|-p) dh_project\S+ (--run|-r) dh_project\S+": (
        rf"\1 {SAMPLES}/small_problem.py \2 {SAMPLES}/small_run.py"
    ),
}
"""What is tuned where a page is about options alone; the network is trained by the commands of other pages."""

CRYSTALS = "ln -s {crystals} my_crystals; cp {crystals}/NaCl.cif ."

SMALL_SEARCH = f"""deephyper hps random --evaluator process --max-evals 1 --log-dir search \\
    --problem {SAMPLES}/small_problem.py --run {SAMPLES}/small_run.py --run-kwargs seconds=0.5"""

SMALL_CGCNN_SEARCH = """deephyper hps random --evaluator process --max-evals 1 --log-dir search \\
    --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run \\
    --run-kwargs epochs=1 data=my_crystals
deephyper-analytics topk search/results.csv -o best.json"""

TWO_PROJECTS = """mkdir projects; cd projects; deephyper start-project demo; cd demo/demo
deephyper new-problem hps polynome2; deephyper new-problem hps net --template lightning; cd ../../.."""

SCRIPT = """cat > train.py <<'END'
import argparse

parser = argparse.ArgumentParser()
for name in ("--learning-rate", "--momentum"):
    parser.add_argument(name, type=float)
parser.add_argument("--optim")
print("validation MAE", abs(parser.parse_args().learning_rate - 0.1))
END"""
"""A script of the user's own."""

KILLED = r"""deephyper train --epochs 20 \1 & training=$!
until [ -e training/last.pt ]; do sleep 0.1; done; kill -KILL $training; wait || echo killed"""
"""A training that is killed as soon as there is something to go on from."""

SOON = "2>&1 & python -m dh_project.hpc.batch_jobs.ray_nodes 127.0.0.1:$RAY_PORT"
"""Goes on when Ray's nodes are there."""

WATCHED = rf"""source $POLYDB/activate
deephyper balsam-submit hps watched_$MARK -p {SAMPLES}/small_problem.py -r {SAMPLES}/small_run.py \
    -t 20 -q local -n 1 -A local -j serial --max-evals 4 --run-kwargs seconds=60
for second in {{1..120}}; do
    deephyper tasks show --workflow watched_$MARK --state running --columns id,kind --output running.csv || true
    RUNNING=($(grep -oP "\d+(?=,trial)" running.csv)) || true
    [ ${{#RUNNING[@]}} -ge 2 ] && break
    sleep 1
done"""
"""A search of which two trials run."""

EVERY = (
    Page("tutorial.rst"),
    Page(
        "new_problem.rst", before=f"ln -s {{crystals}} crystals\n{SCRIPT}", changes={" steps=1": " steps=2"}
    ),
    Page(
        "first_steps.rst",
        before=CRYSTALS,
        changes={"--max-evals 2": "--max-evals 1"},
        left_out={"make search": SET_UP},
    ),
    Page("own_problem.rst", before=TWO_PROJECTS, changes={"steps=1": "steps=50"}),
    Page(
        "resume.rst",
        changes={
            **SMALL,
            "KILL 20 deephyper hps": "KILL 4 deephyper hps",
            r"timeout --signal KILL 20 deephyper train --epochs 2 (.+?) \|\|.*": KILLED,
            "^deephyper train --epochs 2 ": "deephyper train --epochs 20 ",
            "^(deephyper train --resume .*) --epochs 2": r"\1 --epochs 21",
        },
    ),
    Page("stopping.rst", changes=SMALL),
    Page("replicates.rst", changes=SMALL),
    Page(
        "population.rst",
        before=CRYSTALS,
        changes={
            "perturbation_interval=3": "perturbation_interval=1",
            "epochs=1$": "epochs=2 data=my_crystals",
        },
    ),
    Page("workers.rst", changes={**SMALL, r"--num-gpus-per-task 0\.\d+": "--num-gpus-per-task 0"}),
    Page(
        "data.rst",
        before="mkdir set; cp {crystals}/* set; sed '1i material_id,band_gap' set/id_prop.csv > set/labels.csv; "
        "tar -cJf my_crystals.tar.xz set",
    ),
    Page(
        "train_and_predict.rst",
        before=f"{CRYSTALS}\n{SMALL_CGCNN_SEARCH}\ncp $WEIGHTS/formation-energy-per-atom.pth.tar .",
        changes={r"(\.tar) flla": r"\1 my_crystals"},
    ),
    Page("submitting.rst", changes={"^deephyper submit": "deephyper submit --dry-run"}),
    Page(
        "clusters.rst",
        changes={**SMALL, "-n 9": "-n 3", "-n 16 --ppn 4": "-n 3", "trial 8 --nodes-per-trial 2": "trial 2"},
    ),
    Page(
        "ray_cluster.rst",
        before="trap 'kill $(jobs -p) 2> /dev/null; wait' EXIT\n"
        "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex())')",
        changes={
            **SMALL,
            "^deephyper submit": "deephyper submit --dry-run",
            "--ray-address auto --max-evals 2": "--ray-address 127.0.0.1:$RAY_PORT --max-evals 4",
            "--dry-run --max-evals 2": "--dry-run --max-evals 6",
            "(ray start --head) --port 6379": rf"\1 --port $RAY_PORT --num-cpus 2 --include-dashboard=false "
            rf"--temp-dir $RAY_FOLDER --block > head.log {SOON} 1 60",
            "(ray start --address) HEAD:6379": rf"\1 127.0.0.1:$RAY_PORT --num-cpus 1 "
            rf"--block > node.log {SOON} 2 60",
        },
        left_out={"ray stop": "it would end the Ray of other tests, too; here the shell ends its own"},
    ),
    Page("scratch.rst", before="mkdir scratch", changes={**SMALL, "/local/scratch": "$PWD/scratch"}),
    Page(
        "polaris.rst",
        before=f"{CRYSTALS}; ln -s $REPOSITORY dh_project; deephyper start-project demo\n"
        f"(cd demo/demo; deephyper new-problem hps polynome2)\n{SMALL_SEARCH}",
        changes={
            **SMALL,
            "^deephyper submit": "deephyper submit --dry-run",
            "/eagle/MYPROJECT/.USER/cache": "$PWD/cache",
            "tail -f": "tail",
        },
        left_out={
            **dict.fromkeys(("ssh ", "cd /eagle", "module ", "conda ", "qsub "), ELSEWHERE),
            **dict.fromkeys(("python -m venv", "source ", "git clone", "pip install"), SET_UP),
            "deephyper predict best_config": "what that job leaves; the first steps predict by such a folder",
        },
    ),
    Page(
        "balsam.rst",
        changes={
            **SMALL,
            "polydb": "$POLYDB",
            r"(hps|workflow|workflow=|--log-dir)( ?)demo(2?)\b": r"\1\2demo\3_$MARK",
            r"balsam-submit hps demo\S*": r"\g<0> --wait",
            "--resume -t 60 --max-evals 2 .*": "--resume -t 60 --max-evals 3",
        },
        left_out={
            "deephyper balsam-init polaris": ELSEWHERE,
            "deephyper balsam-stop": "other tests use that server; tests/balsam/test_init.py stops its own",
        },
    ),
    Page(
        "watching_jobs.rst",
        before=WATCHED,
        changes={
            "workflow demo": "workflow watched_$MARK",
            r"\b17\b": "${RUNNING[0]}",
            r"\b18\b": "${RUNNING[1]}",
        },
    ),
    Page("python.rst", changes={r"(--settings search.toml)$": r"\1 --max-evals 1"}),
    Page("own_parts.rst", changes=SMALL),
    Page("options.rst", left_out={"register-python-argcomplete --shell fish": "fish is not here"}),
)

PAGES = {page.name: page for page in EVERY}
