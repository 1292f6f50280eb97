"""Snapshots of the weights that learn: plain Hugging Face folders, the best one by canary always among them.

A snapshot's folder holds the weights that take the exam; where roles have weights of their own (forks, adapters), the
others lie in folders inside it, by the role's name. Adapters are merged into their base; as they are, for rolling back,
they lie beside it in ``adapters.safetensors``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from selfplay.errors import RunError
from selfplay.policies.loading import load_hf, save_hf
from selfplay.record import events
from selfplay.record.events import Event
from selfplay.record.log import cannot_write
from selfplay.record.run import Run
from selfplay.record.writer import RunWriter
from selfplay.run.cast import Weights
from selfplay.run.evaluate import ExamResult

ADAPTERS = "adapters.safetensors"


class Kept(NamedTuple):
    """What one folder of a snapshot holds."""

    weights: Weights
    player: str
    """Whose adapter it is, where there are adapters."""


class Snapshots:
    """Takes, prunes and restores snapshots.

    Args:
        writer: of the run.
        kept: folder inside the snapshot -> what it holds; ``.`` is the snapshot's own folder.
        every: generations between snapshots that are kept for good; 0 keeps the best and the last only.
    """

    def __init__(self, writer: RunWriter, kept: Mapping[str, Kept], every: int) -> None:
        self._writer, self._folder, self._kept, self._every = writer, writer.folder, dict(kept), every
        self._best: Event | None = None
        self.rollbacks = 0

    def due(self, generation: int) -> bool:
        """Does the schedule ask for one now?"""
        return self._every > 0 and (generation + 1) % self._every == 0

    def offer(self, generation: int, update: int, result: ExamResult) -> bool:
        """Take a snapshot at a canary; says whether it is the best so far. The earliest of equals stays the best."""
        best = self._best is None or result.mean > self._best["score"]
        event = self.take(generation, update, result.mean)
        if best:
            self._best = event
        return best

    def take(self, generation: int, update: int, score: float | None) -> Event:
        """Write all weights down."""
        number = generation + 1  # gen-0 is the policy before any learning
        path = self._folder.snapshot(number)
        try:
            for inner, kept in self._kept.items():
                _save(kept, path / inner)
        except Exception as error:  # safetensors has an error of its own for a full disk
            raise cannot_write(path, error) from error
        name = f"gen-{number}"
        event = events.snapshot(number, update, name, str(path.relative_to(self._folder.path)), score)
        self._writer.event(event)
        return event

    def roll_back(self) -> None:
        """Put the best snapshot's weights back, in place.

        Raises:
            RunError: there is none.
        """
        if self._best is None:
            raise RunError("health asked for a rollback, but no canary has been taken yet: there is no best snapshot")
        for inner, kept in self._kept.items():
            _load(kept, self._folder.path / self._best["path"] / inner)
        self.rollbacks += 1

    def restore(self, run: Run) -> dict[str, list[int]]:
        """Fold the log again; returns the marks of the best canary."""
        for event in run.events("snapshot"):
            score = event["score"]
            if score is not None and (self._best is None or score > self._best["score"]):
                self._best = event
        self.rollbacks = sum(event["action"] == "rollback" for event in run.events("alarm"))
        marks: dict[str, list[int]] = {}
        for event in run.events("canary"):
            if self._best is not None and event["generation"] + 1 == self._best["generation"]:
                marks = {level: given["solved"] for level, given in event["levels"].items()}
        return marks

    def prune(self, checkpoints: int) -> None:
        """Delete all checkpoints but the last `checkpoints`, all snapshots but the best, newest and scheduled ones.

        Call it right after a checkpoint: until then a resumed run may want what is there.
        """
        for old in self._folder.sealed()[:-checkpoints]:
            (old.path / "checkpoint.json").unlink()
            shutil.rmtree(old.path)
        taken = list(self._existing())
        for number in taken[:-1]:
            best = self._best is not None and number == self._best["generation"]
            scheduled = self._every > 0 and number % self._every == 0
            if not best and not scheduled:
                shutil.rmtree(self._folder.snapshot(number))

    def _existing(self) -> Iterator[int]:
        for path in sorted(self._folder.snapshots.glob("gen-*")):
            yield int(path.name[4:])


def _save(kept: Kept, folder: Path) -> None:
    from safetensors.torch import save_file

    policy, adapters = kept.weights.policy, kept.weights.adapters
    if adapters is None:
        save_hf(policy.model, policy.tokenizer, folder)
        return
    save_hf(policy.model, policy.tokenizer, folder, adapters.merged_weights(kept.player))
    save_file(adapters.tensors(kept.player), folder / ADAPTERS)


def _load(kept: Kept, folder: Path) -> None:
    """Put saved weights into the learning ones, in place."""
    from safetensors.torch import load_file

    if kept.weights.adapters is None:
        kept.weights.policy.model.load_state_dict(load_hf(folder, device="cpu", dtype="float32").model.state_dict())
    else:
        kept.weights.adapters.take(kept.player, load_file(folder / ADAPTERS))
