"""Sources of tasks for runs that propose and solve in turns: everything that was published, with how well it went.

    pool_items      every item of the pool; those nobody has tried yet come first, then the ones tried longest ago
    pool_examples   for whoever writes the next item: a few items of each difficulty, and the difficulty that is wanted

Propose, Solve, Verify (arXiv 2512.18160) labels an item by the share of attempts that solved it when it was last tried:
easy from .8 on, medium from .2 on, hard above 0, impossible at 0. A task of ``pool_examples`` is
``{"wanted": "hard", "examples": [{"label": "easy", "item": ...}, ...]}``; before anything was tried there is none.

Both forget what was last published more than `window` generations ago. Published again without a result, an item
counts as new.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from selfplay.run.recipe import TaskSection
from selfplay.types import Json, MatchRecord, Task

if TYPE_CHECKING:
    from selfplay.run.sources import Demand

LABELS = ("easy", "medium", "hard", "impossible")


def label(rate: float) -> str:
    """The difficulty of an item that this share of the attempts solved."""
    return "easy" if rate >= 0.8 else "medium" if rate >= 0.2 else "hard" if rate > 0 else "impossible"


class Published:
    """All items of one pool, the last publication of each."""

    def __init__(self, settings: TaskSection, demand: Demand) -> None:
        self.name, self.window = settings.pool, settings.window
        self._per_label = settings.per_label
        self._items: dict[str, tuple[Json, float | None, int]] = {}
        """Key -> item, share of attempts that solved it (`None`: not tried yet), generation."""

    def absorb(self, generation: int, records: Sequence[MatchRecord]) -> None:
        facts = [fact.data for record in records for fact in record.facts if fact.kind == "publish"]
        mine = [fact for fact in facts if fact["source"] == self.name]
        for fact in sorted(mine, key=lambda fact: bool(fact["of"])):  # of one generation, results count last
            self._items.pop(fact["key"], None)
            rate = (fact["solved"] or 0.0) / fact["of"] if fact["of"] else None
            self._items[fact["key"]] = (fact["item"], rate, generation)
        oldest = generation - self.window + 1
        self._items = {key: entry for key, entry in self._items.items() if entry[2] >= oldest}


class PoolItems(Published):
    """Hands out the items one after the other, so that a generation tries as many as it can."""

    def __init__(self, settings: TaskSection, demand: Demand) -> None:
        super().__init__(settings, demand)
        self._generation = -1
        self._places: dict[int, int] = {}

    def draw(self, chance: random.Random, generation: int, deal: int) -> Task | None:
        if not self._items:
            return None
        if generation != self._generation:
            self._generation, self._places = generation, {}
        place = self._places.setdefault(deal, len(self._places))
        order = sorted(self._items, key=lambda key: self._items[key][1] is not None)  # stable: oldest first
        key = order[place % len(order)]
        return Task(self._items[key][0], f"pool:{self.name}", key)


class PoolExamples(Published):
    """Shows `per_label` items of each difficulty, drawn anew for every task."""

    def draw(self, chance: random.Random, generation: int, deal: int) -> Task | None:
        tried: dict[str, list[Json]] = {name: [] for name in LABELS}
        for item, rate, _ in self._items.values():
            if rate is not None:
                tried[label(rate)].append(item)
        examples: list[Json] = []
        for name, items in tried.items():
            shown = chance.sample(items, min(self._per_label, len(items)))
            examples += [{"label": name, "item": item} for item in shown]
        if not examples:
            return None
        return Task({"wanted": chance.choice(LABELS), "examples": examples}, f"examples:{self.name}")
