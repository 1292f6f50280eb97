"""How far from perfect a Kuhn poker strategy is: exact values and best responses over the whole game.

    u_i    what player i wins on average if both play `strategy`, in chips
    b_i    what it would win with a best response to the other's half of `strategy`
    NashConv = (b_1 - u_1) + (b_2 - u_2) = b_1 + b_2        exploitability = NashConv / 2

(M. Lanctot et al. 2017, arXiv 1711.00832, section 2). Both are 0 for perfect play and nowhere else; `first` then wins
`VALUE`. Best responses are found by trying all 64 pure strategies of a player: slower than walking the tree, but plain.
Which strategy a language model plays is found by scoring its replies, see `selfplay.policies.choices`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import permutations, product

from selfplay.envs.kuhn_bots import SITUATIONS, History, Situation, Strategy
from selfplay.envs.kuhn_poker import chips_won

VALUE = -1 / 18
"""What `first` wins on average if both play perfectly."""


def value(first: Strategy, second: Strategy) -> float:
    """What `first` wins on average, in chips."""
    total = 0.0
    for cards, history, chips in outcomes():
        likely = 1 / 6
        for i, word in enumerate(history):
            bet = (first, second)[i % 2][Situation(cards[i % 2], history[:i])]
            likely *= bet if word == "bet" else 1.0 - bet
        total += likely * chips
    return total


def nash_conv(strategy: Strategy) -> float:
    """What the two players could gain together, each by a best response to the other, in chips."""
    best_first = max(value(answer, strategy) for answer in pure_strategies("first"))
    best_second = max(-value(strategy, answer) for answer in pure_strategies("second"))
    return best_first + best_second


def exploitability(strategy: Strategy) -> float:
    """Half of `nash_conv`: what a best response gains, mean over the two roles, in chips."""
    return nash_conv(strategy) / 2


def average(strategies: Sequence[Strategy]) -> dict[Situation, float]:
    """The strategy that plays like a random one of `strategies`, drawn once per match.

    In a situation each counts as much as its own earlier moves make the situation likely.
    """
    return {situation: _mean_bet(strategies, situation) for situation in SITUATIONS}


def _mean_bet(strategies: Sequence[Strategy], situation: Situation) -> float:
    weights = [1.0] * len(strategies)
    if len(situation.history) == 2:  # the player has passed before
        weights = [1.0 - strategy[Situation(situation.card, ())] for strategy in strategies]
    if not sum(weights):  # none of them gets there: any answer is as good
        weights = [1.0] * len(strategies)
    bets = (weight * strategy[situation] for weight, strategy in zip(weights, strategies, strict=True))
    return sum(bets) / sum(weights)


@cache
def outcomes() -> tuple[tuple[tuple[str, str], History, float], ...]:
    """All 30 ways a match can go: cards, moves, and the chips that `first` wins."""
    endings: tuple[History, ...] = (
        ("pass", "pass"), ("bet", "pass"), ("bet", "bet"), ("pass", "bet", "pass"), ("pass", "bet", "bet"),
    )  # fmt: skip
    deals = permutations("JQK", 2)
    return tuple(((a, b), history, chips_won(a, b, history)) for (a, b), history in product(deals, endings))


def pure_strategies(role: str) -> Iterator[Strategy]:
    """Every way to play `role` without chance."""
    own = [situation for situation in SITUATIONS if situation.role == role]
    for bets in product((0.0, 1.0), repeat=len(own)):
        yield dict(zip(own, bets, strict=True))
