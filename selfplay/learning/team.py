"""Several learners as one: each takes the rows of its own weights, all step in the same update.

A learner pulls its batches, and TRL's loop cannot be left in the middle. So each member runs in a thread of its own and
waits there for its next batch; only one of them works at a time, in the order of their names, and a run is as
deterministic as with one learner.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue

import torch

from selfplay.learning.learner import Learner, LearnerSettings, UpdateStats
from selfplay.learning.statistics import side_by_side
from selfplay.types import Row


class Team:
    """A `selfplay.learning.learner.Learner` of several.

    Args:
        members: by the name of their weights.
        home: player -> name of the weights whose rows its moves are.
    """

    def __init__(self, members: Mapping[str, Learner], home: Mapping[str, str]) -> None:
        self._members, self._home = dict(members), home

    def train(self, batches: Iterator[Sequence[Row]], on_update: Callable[[UpdateStats], None]) -> None:
        workers = {name: _Worker(learner) for name, learner in self._members.items()}
        try:
            for rows in batches:
                own = {name: [row for row in rows if self._home[row.player] == name] for name in workers}
                on_update(side_by_side([worker.update(own[name]) for name, worker in workers.items()]))
        finally:
            for worker in workers.values():
                worker.end()

    def configure(self, settings: LearnerSettings) -> None:
        for learner in self._members.values():
            learner.configure(settings)

    def forget(self) -> None:
        for learner in self._members.values():
            learner.forget()

    def save(self, folder: Path) -> None:
        for name, learner in self._members.items():
            learner.save(folder / name)

    def load(self, folder: Path) -> None:
        for name, learner in self._members.items():
            learner.load(folder / name)


class _Worker:
    """A learner's loop in a thread, one update at a time."""

    def __init__(self, learner: Learner) -> None:
        self._given: SimpleQueue[Sequence[Row] | None] = SimpleQueue()
        self._done: SimpleQueue[UpdateStats | BaseException] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._work, args=(learner, torch.get_num_threads()), daemon=True, name="learner"
        )
        self._thread.start()

    def update(self, rows: Sequence[Row]) -> UpdateStats:
        """One update; errors of the learner are raised here."""
        self._given.put(rows)
        done = self._done.get()
        if isinstance(done, BaseException):
            raise done
        return done

    def end(self) -> None:
        """Let the loop run out."""
        self._given.put(None)
        self._thread.join()

    def _work(self, learner: Learner, threads: int) -> None:
        torch.set_num_threads(threads)  # OpenMP counts threads per calling thread
        try:
            learner.train(iter(self._given.get, None), self._done.put)
        except BaseException as error:
            self._done.put(error)
