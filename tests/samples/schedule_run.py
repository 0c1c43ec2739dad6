"""A run function with checkpoints, whose score grows at each step by ``gain`` less what ``rate`` is off."""

import json
import os
import time

from dh_project import previous_folder, record, report, trial_folder

STATE = "state.json"


def run(point, steps=100, seconds=0.0, log=None):
    """Go on from the checkpoint before, save one at each step, and note each saved step in a file."""
    before = previous_folder(holding=STATE)
    state = json.loads((before / STATE).read_text()) if before else {"step": 0, "score": 0.0}
    folder, goes_on = trial_folder(), True
    if state["step"]:  # a kill may have lost this report
        goes_on = report(state["step"], state["score"])
    while goes_on and state["step"] < steps:
        state = {
            "step": state["step"] + 1,
            "score": state["score"] + point["gain"] - abs(point["rate"] - 0.1),
        }
        time.sleep(seconds)
        aside = folder / f".{STATE}"
        aside.write_text(json.dumps(state))
        aside.replace(folder / STATE)
        if log:
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(descriptor, (json.dumps([folder.parent.name, state["step"]]) + "\n").encode())
            os.close(descriptor)
        goes_on = report(state["step"], state["score"])
    record(trained_to=state["step"])
    return state["score"]
