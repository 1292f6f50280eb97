"""Kuhn poker: what a seat sees, its twelve situations, strategies over them, and the bots that play these.

A *situation* (information set) is a card and the moves so far; who holds it follows from their number. A *strategy*
says for each situation how likely a bet is. What strategies are worth: `kuhn_analysis`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from selfplay.game import Bot, Demo, Game
from selfplay.types import Request

History = tuple[str, ...]
"""``pass`` and ``bet``, in the order of play."""


class Situation(NamedTuple):
    """All that a player knows when it has to choose."""

    card: str
    history: History

    @property
    def role(self) -> str:
        return ("first", "second")[len(self.history) % 2]


Strategy = Mapping[Situation, float]
"""Situation -> probability of a bet."""

SITUATIONS = tuple(Situation(card, history) for history in ((), ("pass",), ("bet",), ("pass", "bet")) for card in "JQK")

UNIFORM: Strategy = dict.fromkeys(SITUATIONS, 0.5)

LOOKING: Strategy = {s: 0.25 + 0.2 * "JQK".index(s.card) + 0.1 * (s.history[-1:] != ("bet",)) for s in SITUATIONS}
"""What demonstrations show: random play that depends on what is seen. From replies that are random in all situations
alike a model learns not to look at its card; from then on all situations learn as one."""


def told(card: str) -> str:
    """What a player is told at the start."""
    return f"Your card is {card}."


def heard(history: History) -> str:
    """What a player is told when it has to choose."""
    return {"": "You begin.", "pass": "They pass.", "bet": "They bet."}[history[-1] if history else ""]


def equilibrium(bluff: float = 1 / 3) -> Strategy:
    """Perfect play; there is one for every `bluff` (how often `first` bets J) from 0 to 1/3 (Kuhn 1950)."""
    likely = {
        ("J", ()): bluff, ("K", ()): 3 * bluff, ("Q", ("pass", "bet")): bluff + 1 / 3, ("K", ("pass", "bet")): 1.0,
        ("J", ("pass",)): 1 / 3, ("K", ("pass",)): 1.0, ("Q", ("bet",)): 1 / 3, ("K", ("bet",)): 1.0,
    }  # fmt: skip
    return {situation: likely.get(situation, 0.0) for situation in SITUATIONS}


def situation_of(request: Request) -> Situation:
    """What a request is about."""
    talk = request.conversation()
    card = next(card for card in "JQK" if told(card) in talk[1].text)
    said = [message.text for message in talk[2::2]]
    word = next((word for word in ("pass", "bet") if talk[-1].text.endswith(heard((word,)))), None)
    return Situation(card, (*said, word) if word else ())


def bot(strategy: Strategy) -> Bot:
    """A scripted player of `strategy`."""
    return lambda request, rng: "bet" if rng.random() < strategy[situation_of(request)] else "pass"


BOTS = {"random": bot(UNIFORM), "equilibrium": bot(equilibrium())}


def demonstration(game: Game, situation: Situation, reply: str) -> Demo:
    """`reply` in `situation`, in the words of a match."""
    card, history = situation
    last = heard(history)
    if len(history) < 2:
        return game.roles[situation.role].demo(f"{told(card)}\n\n{last}", reply)
    return game.roles[situation.role].demo(last, reply, [(f"{told(card)}\n\n{heard(())}", history[0])])


def demonstrations(game: Game, rng: random.Random) -> Iterator[Demo]:
    """Every situation alike, and `LOOKING` replies: the rules, and hardly anything of how to play well."""
    while True:
        situation = rng.choice(SITUATIONS)
        yield demonstration(game, situation, "bet" if rng.random() < LOOKING[situation] else "pass")
