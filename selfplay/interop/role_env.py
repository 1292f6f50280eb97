"""A seat of a game as an environment of Gymnasium: the class behind `as_gymnasium`. Needs the extra ``pettingzoo``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium

from selfplay.errors import GameError
from selfplay.game import Game, role_of
from selfplay.interop.texts import AnyText, Observation, ReplyText
from selfplay.interop.turns import Turns
from selfplay.types import Json, Player

_RESETS = 100


class RoleEnv(gymnasium.Env[str, str]):  # type: ignore[misc, unused-ignore]
    """One seat against fixed opponents; observations and actions are texts.

    The reward comes when the match ends: the mean reward of the seat's moves. An ask for `n` replies is `n` steps.

    Args:
        opponents: seat -> player, for every other seat.
        render_mode: ``ansi``: `render` returns what was said so far, by everybody.
    """

    metadata = {"render_modes": ["ansi"]}

    def __init__(self, game: Game, seat: str, opponents: Mapping[str, Player], render_mode: str | None = None) -> None:
        self.game = game
        self.seat = seat
        self.render_mode = render_mode
        self.observation_space = AnyText()
        self.action_space = ReplyText(game, role_of(seat))
        self._opponents = opponents

    def reset(self, *, seed: int | None = None, options: dict[str, Json] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin a match and play it up to the seat's first turn.

        A match that ends before (an opponent's foul) is left for another one, whose seed follows from the first.

        Args:
            seed: as in ``selfplay play --seed``; without one, the next of `np_random`.
            options: ``task`` is the match's input.

        Raises:
            GameError: 100 matches in a row ended before the seat's turn, or a match ended as an error.
        """
        super().reset(seed=seed)
        for _ in range(_RESETS):
            number = int(self.np_random.integers(2**31)) if seed is None else seed
            seed = None
            self._turns = Turns(self.game, number, (options or {}).get("task"))
            self._let_others_move()
            if self._turns.record is None:
                return Observation(self._turns.told()), self._info()
        raise GameError(f"{self.game.name()}: {_RESETS} matches ended before {self.seat} was asked anything")

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """The seat's reply, and those of the others up to its next turn."""
        turns = self._turns
        turns.reply(action)
        self._let_others_move()
        if turns.record is None:
            return Observation(turns.told()), 0.0, False, False, self._info()
        return Observation(), turns.earned(self.seat), True, False, turns.outcome(self.seat)

    def render(self) -> str | None:  # type: ignore[override, unused-ignore]
        return self._turns.transcript() if self.render_mode == "ansi" else None

    def _let_others_move(self) -> None:
        turns = self._turns
        while turns.record is None and turns.ask.seat != self.seat:
            policy = self._opponents[turns.ask.seat].policy
            ((completion,),) = policy.complete([turns.request()])
            turns.reply(completion)

    def _info(self) -> dict[str, Any]:
        turns = self._turns
        messages = [{"role": message.role, "content": message.text} for message in turns.conversation()]
        return {"tag": turns.ask.tag, "reply": turns.sibling + 1, "of": turns.ask.n, "messages": messages}
