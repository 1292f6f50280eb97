"""Who plays whom: a function of seed and generation, and opponents take their share of the matches."""

from __future__ import annotations

from collections import Counter
from typing import Any

from selfplay.envs.hidden_number import HiddenNumber
from selfplay.run.matchmaker import mirror
from selfplay.types import Pairing, Task


def pairings(generation: int = 0, seed: int = 0, **changes: Any) -> list[Pairing]:
    settings: dict[str, Any] = {
        "matches": 400,
        "replicas": 1,
        "player_of": {"keeper": "main", "guesser": "main"},
        "learns": {"keeper": True, "guesser": True},
        "opponents": {},
        "task_of": lambda deal: Task(deal),
    }
    return mirror(HiddenNumber(), generation, seed=seed, **{**settings, **changes})


def test_it_is_a_function_of_seed_and_generation() -> None:
    assert pairings() == pairings()
    assert {p.seed for p in pairings()}.isdisjoint(p.seed for p in pairings(generation=1))
    assert {p.seed for p in pairings()}.isdisjoint(p.seed for p in pairings(seed=1))


def test_replicas_share_deal_and_task_but_not_the_sampling() -> None:
    four = pairings(matches=4, replicas=2)
    assert [p.task.data for p in four] == [0, 0, 1, 1]
    assert four[0].seed == four[1].seed != four[2].seed
    assert len({p.sampling_seed for p in four}) == 4


def test_an_opponent_takes_its_share_and_the_role_does_not_learn_there() -> None:
    made = pairings(opponents={"keeper": ("scripted:truthful", 0.25)})
    counts = Counter((p.seats["keeper"], p.learns["keeper"]) for p in made)
    assert set(counts) == {("main", True), ("scripted:truthful", False)}
    assert 70 <= counts["scripted:truthful", False] <= 130
    assert all(p.seats["guesser"] == "main" and p.learns["guesser"] for p in made)
