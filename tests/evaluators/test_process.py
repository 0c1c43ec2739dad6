import sys

import pytest

from dh_project.assignment import Assignment, Setting
from dh_project.errors import UserError
from dh_project.evaluators import devices
from dh_project.evaluators.base import Resources
from dh_project.evaluators.process import ProcessEvaluator
from dh_project.testing.evaluator import EvaluatorContract


class TestProcessEvaluator(EvaluatorContract):
    @classmethod
    def make(cls, setting, resources):
        return ProcessEvaluator(setting, resources)


def devices_of_workers(tmp_path, monkeypatch, visible, **resources):
    """Return the CUDA_VISIBLE_DEVICES that trials see, one for each worker."""
    monkeypatch.setattr(devices, "DEVICE_FILES", ("null",))  # no GPU is needed to be shown one
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (tmp_path / "see.py").write_text(
        "import os, time\nfrom dh_project import record\n"
        "def run(point):\n    record(seen=os.environ.get('CUDA_VISIBLE_DEVICES'))\n"
        "    time.sleep(0.5)\n    return 0.0\n"
    )
    setting = Setting(str(tmp_path / "see.py"), {}, str(tmp_path), sys.path)
    with ProcessEvaluator(setting, Resources(**resources)) as evaluator:
        for trial in range(evaluator.num_workers):
            evaluator.start(Assignment(trial, 1, {}, str(tmp_path / str(trial))))
        ends = []
        while len(ends) < evaluator.num_workers:
            ends += evaluator.wait(1.0)
    return sorted(end.facts["seen"] for end in ends)


@pytest.mark.parametrize(
    ("visible", "resources", "seen"),
    [
        ("0,1", {}, ["0", "1"]),
        ("3,5", {"num_workers": 1}, ["3"]),
        ("4,7", {"gpus_per_trial": 0.5}, ["4", "4", "7", "7"]),
        ("0,1,2,3", {"gpus_per_trial": 2}, ["0,1", "2,3"]),
        ("0,1", {"gpus_per_trial": 0, "num_workers": 2}, ["", ""]),
    ],
)
def test_each_trial_sees_its_own_gpus(tmp_path, monkeypatch, visible, resources, seen):
    assert devices_of_workers(tmp_path, monkeypatch, visible, **resources) == seen


@pytest.mark.parametrize(
    ("visible", "resources", "said"),
    [
        ("", {"gpus_per_trial": 1}, "no GPU here"),
        ("0", {"gpus_per_trial": -1}, "give 0 or more"),
        ("0", {"gpus_per_trial": 2}, "there are 1 GPUs"),
        ("0,1", {"num_workers": 3}, "2 GPUs hold 2 trials"),
    ],
)
def test_gpus_that_are_not_there_are_refused(tmp_path, monkeypatch, visible, resources, said):
    monkeypatch.setattr(devices, "DEVICE_FILES", ("null",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UserError, match=said):
        ProcessEvaluator(Setting("small_run.run", {}, str(tmp_path)), Resources(**resources))
