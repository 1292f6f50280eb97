"""Kuhn poker: the rules, what players see, perfect play, and the exact gap of everything else."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.arena import Arena
from selfplay.check import check_game
from selfplay.envs import kuhn_poker
from selfplay.envs.kuhn_analysis import VALUE, average, exploitability, nash_conv, outcomes, value
from selfplay.envs.kuhn_bots import BOTS, SITUATIONS, UNIFORM, Situation, demonstration, equilibrium, situation_of
from selfplay.envs.kuhn_poker import KuhnPoker, chips_won
from selfplay.policies.bots import Replies, ScriptedPolicy
from selfplay.types import Ending, MatchRecord, Pairing, Player

Playing = Callable[..., MatchRecord]
strategies = st.lists(st.floats(0, 1), min_size=12, max_size=12).map(lambda p: dict(zip(SITUATIONS, p, strict=True)))


def cards_of(record: MatchRecord) -> list[str]:
    return [fact.data["text"][-2] for fact in record.facts if fact.kind == "secret"]


def test_its_source_fits_on_a_page() -> None:
    assert len(Path(kuhn_poker.__file__).read_text().splitlines()) <= 45


def test_it_keeps_the_rules_of_games() -> None:
    assert not check_game(KuhnPoker()).findings


@pytest.mark.parametrize(
    ("moves", "chips"),
    [
        (["pass", "pass"], 1.0),
        (["bet", "bet"], 2.0),
        (["pass", "bet", "bet"], 2.0),
        (["bet", "pass"], None),
        (["pass", "bet", "pass"], None),
    ],
)
@pytest.mark.parametrize("seed", range(6))
def test_the_higher_card_takes_the_pot_unless_somebody_gives_up(
    play: Playing, moves: list[str], chips: float | None, seed: int
) -> None:
    record = play(KuhnPoker(), {"first": moves[0::2], "second": moves[1::2]}, seed=seed)
    first, second = cards_of(record)
    if chips is None:
        expected = 1.0 if moves == ["bet", "pass"] else -1.0
    else:
        expected = chips if "JQK".index(first) > "JQK".index(second) else -chips
    assert record.result == {"first": expected, "second": -expected}
    assert [move.reward for move in record.moves] == [expected * (1, -1)[i % 2] for i in range(len(moves))]


def test_players_see_their_own_card_and_every_move(play: Playing) -> None:
    replies = Replies({"first": ["pass", "bet"], "second": ["Bet."]})
    record = play(KuhnPoker(), replies, seed=1)
    first, second = cards_of(record)
    assert [request.messages[-1].text for request in replies.requests] == [
        f"Your card is {first}.\n\nYou begin.", f"Your card is {second}.\n\nThey pass.", "They bet.",
    ]  # fmt: skip
    assert [situation_of(request) for request in replies.requests] == [
        Situation(first, ()), Situation(second, ("pass",)), Situation(first, ("pass", "bet")),
    ]  # fmt: skip


def test_demonstrations_show_every_situation_in_the_words_of_a_match(play: Playing) -> None:
    game, left = KuhnPoker(), set(SITUATIONS)
    for seed, moves in itertools.product(range(40), (["pass", "bet", "pass"], ["bet", "pass"])):
        replies = Replies({"first": moves[0::2], "second": moves[1::2]})
        play(game, replies, seed=seed)
        for request in replies.requests:
            situation = situation_of(request)
            demo = demonstration(game, situation, "bet")
            assert (request.role, tuple(request.conversation())) == (demo.role, demo.messages)
            left.discard(situation)
    assert not left
    shown = list(itertools.islice(game.demos(random.Random(0)), 500))
    assert len({(demo.messages, demo.role, demo.reply) for demo in shown}) == 24


@pytest.mark.parametrize("reply", ["", "call", "bet pass", "b", "p" * 10**6])
def test_anything_else_costs_the_most_and_teaches_the_other_nothing(play: Playing, reply: str) -> None:
    record = play(KuhnPoker(), {"first": ["pass"], "second": [reply]})
    assert (record.ending, record.forfeit) == (Ending.FOUL, "second")
    assert [move.reward for move in record.moves] == [None, -2.0]


@pytest.mark.parametrize("bluff", [0.0, 0.1, 1 / 3])
def test_perfect_play_has_the_known_value_and_no_gap(bluff: float) -> None:
    perfect = equilibrium(bluff)
    assert value(perfect, perfect) == pytest.approx(VALUE)
    assert exploitability(perfect) == pytest.approx(0.0, abs=1e-12)


def test_the_gap_of_known_strategies() -> None:
    assert nash_conv(UNIFORM) == pytest.approx(11 / 12)  # as OpenSpiel has it
    assert exploitability(UNIFORM) == pytest.approx(11 / 24)
    always = dict.fromkeys(SITUATIONS, 1.0)
    assert exploitability(always) == pytest.approx(1 / 3)  # answer: bet Q and K or K alone, worth 1/3 to either player
    assert exploitability(equilibrium(0.5 - 1 / 6 + 1e-9)) < 1e-8


@given(strategies)
def test_no_strategy_is_better_than_perfect(strategy: dict[Situation, float]) -> None:
    assert exploitability(strategy) >= -1e-12
    assert value(equilibrium(), strategy) >= VALUE - 1e-9
    assert value(strategy, equilibrium()) <= VALUE + 1e-9


@given(strategies, strategies, strategies)
def test_the_average_plays_like_one_of_them_drawn_once(one: dict[Situation, float], two: dict[Situation, float],
                                                       other: dict[Situation, float]) -> None:  # fmt: skip
    mean = average([one, two])
    assert value(mean, other) == pytest.approx((value(one, other) + value(two, other)) / 2)
    assert value(other, mean) == pytest.approx((value(other, one) + value(other, two)) / 2)


def test_the_tree_is_complete() -> None:
    assert len(outcomes()) == len({(cards, history) for cards, history, _ in outcomes()}) == 30
    assert chips_won("J", "K", ("pass", "bet", "pass")) == -1.0


def test_bots_play_their_strategies() -> None:
    game = KuhnPoker()
    players = {name: Player(name, ScriptedPolicy(name, game)) for name in BOTS}
    seats = {"first": "equilibrium", "second": "random"}
    pairings = [Pairing("kuhn_poker", seats, {}, seed, seed, sampling_seed=seed) for seed in range(4000)]
    with Arena({"kuhn_poker": game}, players) as arena:
        results = [(record.result or {})["first"] for record in arena.play(pairings)]
    assert sum(results) / len(results) == pytest.approx(value(equilibrium(), UNIFORM), abs=0.1)
