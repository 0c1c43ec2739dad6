"""An evaluator that plays a script, and a clock that it moves: tests of the search loop need no worker and no time.

It keeps the contract of ``dh_project.evaluators.base`` as far as the script lets it: orders to a trial that does not
run are passed over, each attempt has one end, and a kill or a stop ends an attempt as a real worker would.
"""

import heapq
import math
from itertools import count

from dh_project.evaluators.base import Evaluator
from dh_project.trial.events import Ended, Reported
from dh_project.trial.trial import State

MOST_WAITS = 3_000
"""Calls of ``wait`` after which a loop is taken for one that never ends."""


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


# ---- what can happen to an attempt: each returns a function of the assignment, called when it happens


def ended(state, objective=None, **more):
    """Return an end; one with a state that has no objective says so as its reason."""
    reason = None if state.has_objective else f"it is {state}"
    return lambda a: Ended(
        a.trial, a.attempt, state, objective, **{"reason": reason, "worker": "host:1", **more}
    )


def reported(step, objective):
    """Return a report."""
    return lambda a: Reported(a.trial, a.attempt, step, objective)


def called(act):
    """Return the call of a function without arguments."""
    return lambda a: act() and None


# ---- scripts: what happens to an attempt, as pairs of seconds after its start and what happens


def done(objective=1.0, after=1.0):
    """Return the script of an attempt that returns its objective after so many seconds."""
    return [(after, ended(State.DONE, objective))]


def ends(state, after=1.0):
    """Return the script of an attempt that ends without an objective."""
    return [(after, ended(state))]


SILENT = []
"""The script of an attempt that neither reports nor returns."""


class ScriptedEvaluator(Evaluator):
    """Plays a script for each attempt that is started.

    Args:
        clock: Moved on by waiting.
        scripts: Those of the attempts, in the order in which they start; the last one serves all further ones.
            What happens is an event, an exception that ``wait`` raises, or a function of the assignment.
        num_workers: Trials at a time.
        is_deaf: Whether attempts take no notice of a kill.
        outliving: Trials that can be left running and adopted.
        wishes: What the user wanted before this session began.

    Attributes:
        started: The assignments, in order.
        told: The orders, in order: ``("stop", trial, after)``, ``("kill", trial, state, patience)``.
    """

    def __init__(self, clock, *scripts, num_workers=1, is_deaf=False, outliving=(), wishes=()):
        self.clock, self.num_workers, self.is_deaf = clock, num_workers, is_deaf
        self.outliving = set(outliving)
        self.started, self.told = [], []
        self._scripts = list(scripts)
        self._running, self._stops = {}, {}
        self._to_come, self._order = [], count()
        self._waits = 0
        for wish in wishes:
            self._add(None, 0.0, wish)

    def start(self, assignment):
        assert len(self._running) < self.num_workers, "there is no free slot"
        assert assignment.trial not in self._running, "it runs already"
        self.started.append(assignment)
        self._run(assignment)

    def wait(self, timeout=None):
        self._waits += 1
        assert self._waits < MOST_WAITS, "the loop does not end"
        until = self.clock.now + (math.inf if timeout is None else timeout)
        if self._to_come:
            until = min(until, max(self.clock.now, self._to_come[0][0]))
        assert until < math.inf, "nothing will ever happen"
        self.clock.now = until
        events = []
        while self._to_come and self._to_come[0][0] <= self.clock.now:
            *_, assignment, what = heapq.heappop(self._to_come)
            if isinstance(what, Exception):
                self._running.clear()
                raise what
            event = what(assignment) if callable(what) else what
            if event is not None:
                self._happens(event)
                events.append(event)
        self.clock.now += 1e-3  # no turn of a loop takes no time
        return events

    def stop(self, trial, after):
        self.told.append(("stop", trial, after))
        if trial in self._running:
            self._stops[trial] = after

    def kill(self, trial, state, reason, patience=0.0):
        self.told.append(("kill", trial, state, patience))
        if trial in self._running and not self.is_deaf:
            self._end(self._running[trial], patience, ended(state, reason=reason))

    def leave(self, trial):
        return trial in self.outliving

    def adopt(self, assignments):
        adopted = [assignment for assignment in assignments if assignment.trial in self.outliving]
        for assignment in adopted:
            self._run(assignment)
        return {assignment.trial for assignment in adopted}

    def close(self):
        self._to_come.clear()

    def _run(self, assignment):
        self._running[assignment.trial] = assignment
        for seconds, what in self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]:
            self._add(assignment, seconds, what)

    def _add(self, assignment, seconds, what):
        heapq.heappush(self._to_come, (self.clock.now + seconds, next(self._order), assignment, what))

    def _end(self, assignment, seconds, end):
        """Let an attempt end in so many seconds, and nothing else happen to it."""
        self._to_come = [line for line in self._to_come if line[2] is not assignment]
        heapq.heapify(self._to_come)
        self._add(assignment, seconds, end)

    def _happens(self, event):
        assignment = self._running.get(event.trial)
        if assignment is None or event.attempt != assignment.attempt:
            return  # late words, or a wish of the user
        if isinstance(event, Ended):
            del self._running[event.trial]
            self._stops.pop(event.trial, None)
        elif isinstance(event, Reported) and event.step > self._stops.get(event.trial, math.inf):
            self._end(assignment, 0.0, ended(State.STOPPED, event.objective))
