"""Each mistake of a user is one clear line and exit status 2, and nothing is written."""

import pytest

from dh_project.cli import analytics, main


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    """What stands in a folder, but for the byte code that Python keeps."""
    return sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")


@pytest.fixture
def refused(here, capsys):
    """Return a function that runs a command line, checks that it is refused cleanly, and gives what it said."""

    def refused(words, program=main.main):
        before = files(here)
        try:
            status = program([str(word) for word in words])
        except SystemExit as leaving:
            status = leaving.code
        said = capsys.readouterr().err
        assert status == 2
        assert len(said.strip().splitlines()) == 1
        assert files(here) == before
        return said

    return refused


def hps(samples, *more, problem="small_problem.py", run="small_run.py", searcher="ambs"):
    words = ["hps", searcher, "--evaluator", "process", "--max-evals", "2"]
    words += ["--problem", samples / problem if problem.endswith(".py") else problem]
    return [*words, "--run", samples / run if run.endswith(".py") else run, *more]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--evaluator", "rya"], "did you mean 'ray'?"),
        (["--evaluator", "balsam"], "no Balsam folder is activated"),
        (["--surrogate-model", "ETT"], "did you mean 'ET'?"),
        (["--acq-func", "UCBB"], "did you mean 'UCB"),
        (["--max-eval", "3"], "did you mean '--max-evals'?"),
        (["--workers", "3"], "did you mean '--num-workers'?"),
        (["--n-trials", "3"], "'--n-trials' (here: --max-evals)"),
        (["--max_epochs=3"], "(here: --run-kwargs epochs=N)"),
        (["--resume"], "'--resume' (here: the same command again continues the search)"),
        (["--scheduler", "pbs"], "(here: --stopper ends trials early; the batch scheduler is known"),
        (["--partition", "debug"], "(here: deephyper submit SITE --queue QUEUE)"),
        (["--shape", "3"], "unknown argument '--shape' (see"),
        (["--cache-key", "uuid"], "no longer an option: results are not reused by point"),
        (
            ["--ray-num-cpus", "4"],
            "no longer an option: give the number of trials at a time by --num-workers",
        ),
        (["--evaluator", "rayhorovod"], "'rayhorovod' is gone: a trial of several processes is"),
        (["--num-workers", "0"], "give at least 1"),
        (["--num-workers", "two"], "'two' is not a whole number"),
        (["--max-evals", "0"], "give at least 1"),
        (["--timeout", "-3"], "not a number above 0"),
        (["--seed", "-1"], "give 0 or more"),
        (["--max-retries", "-1"], "give 0 or more"),
        (["--num-gpus-per-task", "-1"], "give 0 or more"),
        (["--walltime", "90:00"], "write hours, minutes and seconds: 3:00:00"),
        (["--walltime", "0:00:00"], "write hours, minutes and seconds"),
        (["--walltime", "30"], "the margin of 60 s leaves no time; give a shorter margin"),
        (["--margin", "30"], "margin: it is a part of the job's time limit; give walltime, too"),
        (["--trial-memory", "8G"], "'8G' is not a number"),
        (["--max-failures", "0"], "failures in a row (10), their share (0.5), or -1"),
        (["--max-failures", "2.5"], "failures in a row (10)"),
        (["--max-failures", "100%"], "failures in a row (10)"),
        (["--max-failures", "inf"], "failures in a row (10)"),
        (["--kappa", "nan"], "--kappa: NaN equals nothing"),
        (["--xi", "-3"], "--xi -3: give a number from 0 on"),
        (["--stopper", "medain"], "did you mean 'median'?"),
        (["--stopper", "bandit"], "slack_factor=0.2 or slack_amount=0.05"),
        (["--stopper", "median", "few=3"], "unknown setting 'few'"),
        (["--stopper", "MedianPruner", "n_warmup_steps=3"], "here it is first_step"),
        (["--stop", "gap=1"], "give 'gap<=1' or 'gap>=1'"),
        (["--stop", "30"], "--stop '30' is not a criterion; give NAME=VALUE, as in step=30 val_mae=0.1"),
        (["--target", "nan"], "--target: nan is not a finite number"),
        (["--stopper", "median", "bandit"], "--stopper median: 'bandit' is not of the form key=value"),
        (["--stopper", "median", "--stopper", "bandit"], "a search has one stopper"),
        (["--warm-start", "nothing.csv"], "nothing.csv: there is no such file"),
        (["--warm-start", "results.csv"], "the search's own results"),
        (["--trial-memory", "1e308"], "below 1e12"),
        (["--scratch", "."], "--scratch .: it lies in --log-dir ."),
        (["--scratch", "search/scratch", "--log-dir", "search"], "it lies in --log-dir search"),
        (["--scratch", __file__], "this is a file; name a folder on the node's own disk"),
        (["--scratch", "/proc/scratch"], "--scratch /proc/scratch: cannot be used: "),
        (["--scratch", f"{__file__}/scratch"], "cannot be used: Not a directory"),
        (["--walltime", "9" * 400 + ":00:00"], "is not a time"),
        (["--walltime", "1", "--margin", "0.5"], "no time is left"),
        (["--run-kwargs", "second=3"], "did you mean 'seconds'"),
        (["--run-kwargs", "seconds"], "key=value"),
        (["--run-kwargs", "seconds=-1"], "it must not be negative"),
        (
            ["--evaluator", "mpi", "--rank-timeout", "1"],
            "--rank-timeout 1: ranks send a message every 2 s; give at least 4",
        ),
    ],
)
def test_options(refused, samples, more, said):
    assert said in refused(hps(samples, *more))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"problem": "no_such_package.Problem"}, "no module 'no_such_package'"),
        ({"problem": "dh_project.cgcnn_mp.problem.Problme"}, "did you mean 'Problem'?"),
        ({"problem": "no_such_file.py"}, "no file"),
        ({"run": "dh_project.cgcnn_mp.model_run.rum"}, "did you mean 'run'?"),
        ({"run": "os.sep"}, "cannot be called"),
        ({"searcher": "amb"}, "did you mean 'ambs'?"),
    ],
)
def test_problem_run_and_search(refused, samples, where, said):
    assert said in refused(hps(samples, **where))


@pytest.mark.parametrize(
    ("point", "said"), [("x=11.0", "x=11.0 lies outside the space"), ("", "lacks x"), ("y=1.0, x=1.0", "'y'")]
)
def test_starting_points(refused, samples, here, point, said):
    lines = ["from dh_project import HpProblem", "Problem = HpProblem()", "Problem.add_dim('x', (0.0, 10.0))"]
    (here / "my_problem.py").write_text("\n".join([*lines, f"Problem.add_starting_point({point})"]))
    words = ["hps", "random", "--problem", here / "my_problem.py", "--run", samples / "small_run.py"]
    assert said in refused(words)


def test_random_search_cannot_be_warmed(refused, samples, here):
    words = hps(samples, "--warm-start", samples / "small_run.py", searcher="random")
    assert "random search learns nothing" in refused(words)


def test_a_log_dir_that_is_a_file_is_refused_before_anything_is_put_aside(refused, samples, here):
    (here / "file").write_text("mine")
    assert "this is a file" in refused(hps(samples, "--fresh", "--log-dir", "file"))


def test_a_fresh_start_that_was_interrupted_is_to_be_completed(refused, samples, here):
    (here / "earlier-1.part").mkdir()
    (here / "earlier-1.part" / "results.csv").write_text("old")
    assert "--fresh was interrupted here" in refused(hps(samples))


def test_a_level_of_the_log(refused, samples, monkeypatch):
    monkeypatch.setenv("DEEPHYPER_LOG_LEVEL", "loud")
    assert "DEEPHYPER_LOG_LEVEL=LOUD" in refused(hps(samples))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("def run(point):\n    return 1.0\ndef prepare():\n    {}['key']", "KeyError: 'key'"),
        ("def run(point):\n    return 1.0\ndef prepare(path):\n    pass", "prepare(**run_kwargs)"),
    ],
)
def test_run_modules_that_fail_before_the_search(refused, samples, here, text, said):
    (here / "my_run.py").write_text(text)
    words = hps(samples, run="os.sep", searcher="random")
    words[words.index("os.sep")] = here / "my_run.py"
    assert said in refused(words)


def test_missing_options_are_named(refused):
    assert "--problem and --run are missing" in refused(["hps", "ambs"])


def test_an_unknown_command_gets_the_near_one(refused):
    assert "did you mean 'hps'?" in refused(["hsp"])


def test_a_folder_of_another_search(refused, samples, here, capsys):
    assert main.main([str(word) for word in hps(samples, "--log-dir", "a", searcher="random")]) == 0
    capsys.readouterr()
    assert "--seed was 42 there and is 3 now" in refused(hps(samples, "--log-dir", "a", "--seed", "3"))


def test_a_folder_that_is_a_file(refused, samples, here):
    (here / "a").write_text("")
    assert "a" in refused(hps(samples, "--log-dir", "a", searcher="random"))


def test_gpus_on_a_machine_without_gpus(refused, samples, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "no GPU here" in refused(hps(samples, "--num-gpus-per-task", "1"))


@pytest.mark.parametrize(
    ("run_kwargs", "said"),
    [
        (["data=nowhere"], "nowhere"),
        (["device=cuda"], "cuda"),
        (["epochs=0"], "epochs"),
        (["label=no_such_label"], "label"),
    ],
)
def test_arguments_of_cgcnn(refused, samples, run_kwargs, said, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert said in refused(hps(samples, "--run-kwargs", *run_kwargs, run="dh_project.cgcnn_mp.model_run.run"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("results.csv", None, "no such file"),
        ("results.txt", "", ".csv"),
        ("results.csv", "a,b\n", "not a results file"),
        ("results.csv", "p:x,objective\n", "no trial has ended"),
        ("results.csv", "p:x,objective\n1,F_failed\n", "all 1 trials failed"),
    ],
)
def test_topk_of_what_holds_no_results(refused, here, name, text, said):
    if text is not None:
        (here / name).write_text(text)
    assert said in refused(["topk", name], program=analytics.main)


@pytest.mark.parametrize(
    ("options", "said"),
    [(["-k", "0"], "at least 1"), (["-o", "best.xml"], "best.xml"), (["-o", "no/best.json"], "no folder")],
)
def test_topk_options(refused, here, options, said):
    (here / "results.csv").write_text("p:x,objective\n1,0.5\n")
    assert said in refused(["topk", "results.csv", *options], program=analytics.main)
