"""`exact`: the same batches whatever the timing. `fast`: the same matches, in any order."""

from __future__ import annotations

import random
import time

import pytest

from selfplay.arena import Arena
from selfplay.game import Game, Role
from selfplay.types import Completion, Inline, Pairing, Player, Sampling, Task


class Busy(Game):
    """Several seats, turns and branches; how many of each depends on chance and on the replies."""

    proposer = Role("Propose.", parse=int)
    solver = Role("Solve.", parse=int, seats=2)

    async def play(self, match):
        proposal = await match.ask(self.proposer, f"task {match.task}")
        total = proposal.value

        async def branch(i):
            for turn in range(1 + (proposal.value + i) % 3):
                match.note(turn=turn, chance=match.rng.random())
                (await match.ask(self.solver, f"turn {turn}", seat=1 + i % 2)).reward = match.rng.random()
            return i

        match.note(order=await match.gather(*(branch(i) for i in range(3))))
        for answer in await match.ask(self.solver, "all", seat=1, n=3, after=match.moves[1]):
            answer.reward = float(answer.value > 50)
            total += answer.value
        proposal.reward = total


class Lagging:
    """Replies with a number that depends on the request alone, after a random time on its own thread."""

    def __init__(self, name: str, lag_s: float, seed: int) -> None:
        self.name, self.lag_s, self.chance = name, lag_s, random.Random(seed)
        self.batches: list[list[tuple[int, tuple[int, ...]]]] = []

    def complete(self, requests):
        time.sleep(self.chance.random() * self.lag_s)
        self.batches.append([(request.number, request.path) for request in requests])
        return [[Completion(str(seed % 100)) for seed in request.seeds] for request in requests]


def run(mode: str, lag_s: float, seed: int, **arena):
    policies = {name: Lagging(name, lag_s, seed + i) for i, name in enumerate("pq")}
    players = {name: Player(name, policy, Sampling()) for name, policy in policies.items()}
    seats = {"proposer": "p", "solver#1": "q", "solver#2": "p"}
    pairings = [
        Pairing("g", seats, dict.fromkeys(seats, True), n // 2, n, task=Task(n), sampling_seed=n) for n in range(12)
    ]
    with Arena({"g": Busy()}, players, mode=mode, **arena) as open_arena:
        records = list(open_arena.play(pairings))
    return records, [policy.batches for policy in policies.values()]


def summary(record):
    moves = [(m.id, m.seat, m.text, m.reward, [x.text for x in m.turn.conversation()]) for m in record.moves]
    return record.id, record.error, moves, record.facts, record.result


def test_exact_mode_has_the_same_batches_and_records_whatever_the_timing() -> None:
    records, batches = run("exact", 0.0, 0)
    assert [record.error for record in records] == [None] * 12
    assert [record.pairing.number for record in records] == list(range(12))
    for seed in range(1, 4):
        again, same_batches = run("exact", 0.01, seed)
        assert same_batches == batches
        assert list(map(summary, again)) == list(map(summary, records))


def test_exact_batches_are_in_match_and_path_order_and_as_large_as_can_be() -> None:
    _, (first, second) = run("exact", 0.0, 0)
    assert all(batch == sorted(batch) for batch in (*first, *second))
    assert first[0] == [(n, (0,)) for n in range(12)]
    assert {number for number, _ in second[0]} == set(range(12))


def test_exact_mode_with_few_matches_at_a_time_plays_the_same_matches() -> None:
    few, batches = run("exact", 0.0, 0, in_flight=3)
    assert batches[0][0] == [(n, (0,)) for n in range(3)]
    assert list(map(summary, few)) == list(map(summary, run("exact", 0.0, 0)[0]))


@pytest.mark.parametrize("arena", [{}, {"in_flight": 1}, {"in_flight": 3}, {"batch": 2}, {"batch": 1, "age_s": 0.0}])
def test_fast_mode_plays_the_same_matches(arena) -> None:
    expected = list(map(summary, run("exact", 0.0, 0)[0]))
    for seed in range(2):
        records, batches = run("fast", 0.004, seed, **arena)
        assert sorted(map(summary, records)) == expected
        assert max(len(batch) for policy in batches for batch in policy) <= arena.get("batch", 128)


def test_replicas_of_a_deal_share_its_chance_but_not_their_sampling() -> None:
    records, _ = run("exact", 0.0, 0)
    for one, other in zip(records[::2], records[1::2], strict=True):
        chances = [next(f.data["chance"] for f in r.facts if "chance" in f.data) for r in (one, other)]
        assert chances[0] == chances[1]
        assert one.moves[0].text != other.moves[0].text


def test_players_that_share_a_policy_share_its_batches_with_their_own_sampling() -> None:
    seen = []

    class Noting(Inline):
        def complete(self, requests):
            seen.append([(request.seat, request.sampling.temperature) for request in requests])
            return [[Completion("1")] * len(request.seeds) for request in requests]

    class Together(Game):
        a = Role("a")
        b = Role("b")

        async def play(self, match):
            await match.gather(match.ask(self.a, "x"), match.ask(self.b, "x"))

    policy = Noting()
    players = {"hot": Player("hot", policy, Sampling(temperature=2.0)), "cold": Player("cold", policy, Sampling(0.0))}
    pairing = Pairing("g", {"a": "hot", "b": "cold"}, {}, 0)
    with Arena({"g": Together()}, players) as arena:
        list(arena.play([pairing]))
        players["cold"] = Player("cold", policy, Sampling(0.5))  # what a controller does between generations
        list(arena.play([pairing]))
    assert seen == [[("a", 2.0), ("b", 0.0)], [("a", 2.0), ("b", 0.5)]]


def test_on_move_sees_every_reply() -> None:
    seen = []
    records, _ = run("exact", 0.0, 0, on_move=lambda pairing, move: seen.append((pairing.number, move.id)))
    assert sorted(seen) == sorted((record.pairing.number, move.id) for record in records for move in record.moves)
