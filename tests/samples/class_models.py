"""Classes with setup, step, save and load, and some that lack one of them."""

import json
import os
import time
from pathlib import Path


class Descent:
    """Goes down a parabola; its state is where it stands, and which steps this process has made."""

    steps = 4

    def setup(self, point, start=1.0, seconds=0.0):
        self.rate, self.x, self.seconds = point["x"], start, seconds

    def step(self):
        time.sleep(self.seconds)
        self.x -= self.rate * 2 * self.x
        with Path(os.environ.get("STEPS_FILE", os.devnull)).open("a") as file:
            file.write(f"{self.x}\n")
        return {"loss": self.x**2, "objective": -(self.x**2)}

    def save(self, folder):
        (Path(folder) / "state.json").write_text(json.dumps(self.x))

    def load(self, folder):
        self.x = json.loads((Path(folder) / "state.json").read_text())


class Finished(Descent):
    """Says itself that it is done."""

    def step(self):
        metrics = super().step()
        return {**metrics, "done": metrics["loss"] < 0.1}


class ByLoss(Descent):
    """Its objective is not called so."""

    metric, mode = "loss", "min"

    def step(self):
        return {"loss": super().step()["loss"]}


class Number(Descent):
    """Its step returns a number."""

    def step(self):
        return super().step()["objective"]


class Silent(Descent):
    """Its step returns nothing."""

    def step(self):
        super().step()


class Endless(Descent):
    """Nobody says how many steps it has."""

    steps = None


class WithoutSave:
    def setup(self, point): ...

    def step(self): ...

    def load(self, folder): ...


class LikeRays:
    def setup(self, config): ...

    def step(self): ...

    def save_checkpoint(self, folder): ...

    def load_checkpoint(self, folder): ...


class SetUpWithoutPoint(Descent):
    def setup(self): ...


class LoadsFromNowhere(Descent):
    def load(self): ...


class SavesByClass(Descent):
    """Its class saves nothing, and needs no object for it."""

    @classmethod
    def save(cls, folder): ...


class SetUpByItsClass(Descent):
    """All its objects share a state; its setup takes a run-kwarg all the same."""

    @classmethod
    def setup(cls, point, start=1.0):
        cls.rate, cls.x, cls.seconds = point["x"], start, 0.0


class MadeOfAPoint(Descent):
    def __init__(self, point):
        self.point = point


run = Descent
