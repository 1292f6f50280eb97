"""Task sources: where matches get their tasks from.

A source is a fold over the closed generations of the run's log: `absorb` is called once per closed generation, in
order, and `draw` depends on nothing else but the deal and the seed it is given. So tasks never depend on timing, and a
resumed run rebuilds its sources by reading the log.

To add a source: implement `Source`, add it to `SOURCES`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from selfplay.errors import UsageError
from selfplay.rewards import learnability
from selfplay.run.dataset_tasks import DatasetTasks
from selfplay.run.published import PoolExamples, PoolItems
from selfplay.run.recipe import TaskSection
from selfplay.seeds import rng
from selfplay.types import Json, MatchRecord, Task


class Source(Protocol):
    """Hands out tasks."""

    window: int
    """How many closed generations back it remembers; 0 means it does not read the log."""

    def absorb(self, generation: int, records: Sequence[MatchRecord]) -> None:
        """Take note of a closed generation."""

    def draw(self, chance: random.Random, generation: int, deal: int) -> Task | None:
        """The task of a deal, or `None` while there is none to give; `chance` is the deal's own."""


class Demand(NamedTuple):
    """What a run wants of its sources."""

    seed: int
    """Of the run."""
    deals: int
    """In a generation, at most."""


@dataclass(slots=True)
class _Item:
    item: Json
    weight: float
    generation: int


class Pool:
    """Replays what earlier generations published and neither always nor never solved, the more open the likelier.

    An item's weight is the unbiased estimate of 4p(1-p) from its last publication.
    """

    def __init__(self, settings: TaskSection, demand: Demand) -> None:
        self.name = settings.pool
        self.window = settings.window
        self._items: dict[str, _Item] = {}

    def absorb(self, generation: int, records: Sequence[MatchRecord]) -> None:
        for record in records:
            for fact in record.facts:
                data = fact.data
                if fact.kind != "publish" or data["source"] != self.name or not data["of"]:
                    continue
                self._items.pop(data["key"], None)
                solved, of = round(data["solved"] or 0), data["of"]
                weight = learnability([1.0] * solved + [0.0] * (of - solved))
                if weight:
                    self._items[data["key"]] = _Item(data["item"], weight, generation)
        oldest = generation - self.window + 1
        self._items = {key: item for key, item in self._items.items() if item.generation >= oldest}

    def draw(self, chance: random.Random, generation: int, deal: int) -> Task | None:
        if not self._items:
            return None
        (key,) = chance.choices(list(self._items), [item.weight for item in self._items.values()])
        return Task(self._items[key].item, f"pool:{self.name}", key)


class JsonLines:
    """Tasks from a file, one JSON value per line, drawn with replacement.

    Raises:
        UsageError: the file cannot be read, has no tasks in it, or a line that is not JSON.
    """

    window = 0

    def __init__(self, settings: TaskSection, demand: Demand) -> None:
        path = Path(settings.path)
        try:
            lines = path.read_text(encoding="utf-8").split("\n")  # JSON texts may hold other line separators
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"cannot read tasks from {settings.path!r}: {why}") from None
        self._tasks = [_parsed(line, f"{path}:{i}") for i, line in enumerate(lines, start=1) if line.strip()]
        self._name = path.name
        if not self._tasks:
            raise UsageError(f"{path} holds no tasks\n  expected one JSON value per line")

    def absorb(self, generation: int, records: Sequence[MatchRecord]) -> None:
        pass

    def draw(self, chance: random.Random, generation: int, deal: int) -> Task | None:
        number = chance.randrange(len(self._tasks))
        return Task(self._tasks[number], f"file:{self._name}", str(number))


def _parsed(line: str, where: str) -> Json:
    try:
        return json.loads(line)
    except ValueError as error:
        raise UsageError(f"{where} is not JSON: {error}") from None


SOURCES: dict[str, Callable[[TaskSection, Demand], Source]] = {
    "pool": Pool,
    "pool_items": PoolItems,
    "pool_examples": PoolExamples,
    "file": JsonLines,
    "datasets": DatasetTasks,
}


class Tasks:
    """All sources of a run with their shares.

    Args:
        settings: one for each source.
        seed: of the run.
        deals: in a generation.
    """

    def __init__(self, settings: Sequence[TaskSection], seed: int, deals: int) -> None:
        for section in settings:
            if section.source not in SOURCES:
                raise UsageError(f"tasks.source = {section.source!r}: expected one of {', '.join(SOURCES)}")
        if sum(section.share for section in settings) > 1.0 + 1e-9:
            raise UsageError("the shares of [[tasks]] add up to more than 1")
        self._sources = [(section.share, SOURCES[section.source](section, Demand(seed, deals))) for section in settings]
        self._seed = seed

    @property
    def window(self) -> int:
        """How many closed generations must be absorbed again on resume."""
        return max((source.window for _, source in self._sources), default=0)

    def absorb(self, generation: int, records: Sequence[MatchRecord]) -> None:
        """Show a closed generation to every source."""
        for _, source in self._sources:
            source.absorb(generation, records)

    def draw(self, generation: int, deal: int) -> Task:
        """The task of one deal; an empty one where the game is to make its own."""
        chance = rng(self._seed, "task", generation, deal)
        point = chance.random()
        for share, source in self._sources:
            if point < share:
                return source.draw(chance, generation, deal) or Task()
            point -= share
        return Task()
