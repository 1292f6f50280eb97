"""Sources that hand out what was published: untried first, measured difficulties, the same after a resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from selfplay.run.published import label
from selfplay.run.recipe import TaskSection
from selfplay.run.sources import Tasks
from selfplay.types import Ending, Fact, MatchRecord, Pairing

Published = tuple[str, float | None, int | None]


def record(*published: Published) -> MatchRecord:
    facts = [
        Fact((i,), "publish", {"source": "pool", "key": key, "item": {"name": key}, "solved": solved, "of": of})
        for i, (key, solved, of) in enumerate(published)
    ]
    return MatchRecord(Pairing("game", {}, {}, 0), {}, [], facts, None, Ending.OK, None, None)


def source(name: str, *generations: Sequence[Published], **settings: Any) -> Tasks:
    tasks = Tasks([TaskSection(source=name, **settings)], seed=0, deals=8)
    for number, published in enumerate(generations):
        tasks.absorb(number, [record(*published)])
    return tasks


def keys(tasks: Tasks, generation: int, deals: int) -> list[str]:
    return [tasks.draw(generation, deal).key for deal in range(deals)]


def test_untried_items_come_first_and_each_once_before_any_twice() -> None:
    tasks = source("pool_items", [("a", 1, 4), ("b", None, None)], [("c", None, None), ("d", 0, 4)])
    assert keys(tasks, 2, 5) == ["b", "c", "a", "d", "b"]
    assert tasks.draw(2, 1).key == "c", "a deal asked for again is the same"
    assert keys(tasks, 3, 2) == ["b", "c"]


def test_there_is_no_task_before_anything_was_published() -> None:
    assert source("pool_items").draw(0, 0).data is None
    assert source("pool_examples", [("a", None, None)]).draw(1, 0).data is None, "nobody knows how hard it is"


def test_of_one_generation_a_result_outlasts_a_repetition() -> None:
    once = source("pool_items", [("a", 2, 4), ("a", None, None), ("b", None, None)])
    assert keys(once, 1, 2) == ["b", "a"]
    again = source("pool_items", [("a", 2, 4)], [("b", 1, 4)], [("a", None, None)])
    assert keys(again, 3, 2) == ["a", "b"]


@pytest.mark.parametrize(
    ("rate", "name"),
    [(1.0, "easy"), (0.8, "easy"), (0.79, "medium"), (0.2, "medium"), (0.125, "hard"), (0, "impossible")],
)
def test_difficulties_are_those_of_the_paper(rate: float, name: str) -> None:
    assert label(rate) == name


def test_examples_show_some_of_each_difficulty_and_ask_for_one() -> None:
    rated: list[Published] = [(f"e{i}", 8, 8) for i in range(5)] + [("m", 4, 8), ("i", 0, 8), ("new", None, None)]
    tasks = source("pool_examples", rated, per_label=2)
    drawn: list[Any] = [tasks.draw(1, deal).data for deal in range(40)]
    for task in drawn:
        shown = [(one["label"], one["item"]["name"]) for one in task["examples"]]
        assert [name for name, _ in shown] == ["easy", "easy", "medium", "impossible"]
        assert shown[0] != shown[1] and shown[2:] == [("medium", "m"), ("impossible", "i")]
    assert {task["wanted"] for task in drawn} == {"easy", "medium", "hard", "impossible"}
    assert len({str(task["examples"]) for task in drawn}) > 5


@pytest.mark.parametrize("name", ["pool_items", "pool_examples"])
def test_a_resumed_run_has_the_same_tasks(name: str) -> None:
    generations: list[list[Published]] = [[("a", 1, 4), ("b", 4, 4)], [("c", None, None)], [("b", 0, 4)], [("d", 2, 4)]]
    whole = source(name, *generations, window=2)
    resumed = Tasks([TaskSection(source=name, window=2)], seed=0, deals=8)
    for number in (2, 3):
        resumed.absorb(number, [record(*generations[number])])
    assert whole.window == 2
    assert [whole.draw(4, deal) for deal in range(8)] == [resumed.draw(4, deal) for deal in range(8)]
