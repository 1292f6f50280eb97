"""One match of ours, played one reply at a time by whoever calls: what `as_pettingzoo` and `as_gymnasium` stand on.

Asks that wait at the same time (under `match.gather`) are served in path order, and the `n` replies of one ask one
after the other. The engine underneath is the arena's, so a match is the same here and there, and needs no event loop.
"""

from __future__ import annotations

from dataclasses import replace

from selfplay.alarm import Alarm
from selfplay.driver import Driver, Limits, request_of
from selfplay.errors import GameError, UsageError
from selfplay.game import Game
from selfplay.games import make_game
from selfplay.seeds import derive
from selfplay.steps import Ask
from selfplay.types import Completion, Json, MatchRecord, Message, Move, Pairing, Request, Sampling, Task

LIMITS = Limits()
PLAYER = "outside"
"""The name that players have in the records of such matches."""


def as_game(game: str | Game | type[Game]) -> Game:
    """A game from whatever names one; errors as in `selfplay.games.make_game`."""
    if isinstance(game, str):
        return make_game(game)
    return game() if isinstance(game, type) else game


class Turns:
    """A match that waits for the caller's replies.

    Args:
        seed: the deal, as in ``selfplay play --seed``.
        task: the match's input.

    Raises:
        GameError: the match ended as an error; `reply` raises the same.
    """

    def __init__(self, game: Game, seed: int, task: Json = None, limits: Limits = LIMITS) -> None:
        seats = game.seats()
        self.pairing = Pairing(
            game.name(),
            dict.fromkeys(seats, PLAYER),
            dict.fromkeys(seats, True),
            seed=derive(seed, "deal"),
            task=Task(task),
            sampling_seed=derive(seed, "sampling"),
        )
        self._given = game, seed, task, limits
        self._alarm = Alarm(limits.step_s)
        self._driver = Driver(game, self.pairing, self._alarm, limits, on_move=self._take_down)
        self._waiting: list[Ask] = []
        self._said: list[Completion] = []
        self._replies: list[Completion] = []
        self._moves: list[Move] = []
        self._advance()

    def __deepcopy__(self, memo: dict[int, object]) -> Turns:
        """The same match at the same point, which can go on differently: played again from its replies."""
        twin = Turns(*self._given)
        for completion in self._replies:
            twin.reply(completion)
        return twin

    @property
    def record(self) -> MatchRecord | None:
        """The whole match, once it has ended."""
        return self._driver.record

    @property
    def ask(self) -> Ask:
        """What has to be replied to next.

        Raises:
            UsageError: the match has ended.
        """
        if not self._waiting:
            raise UsageError("the match has ended\n  call reset() for another one")
        return self._waiting[0]

    @property
    def sibling(self) -> int:
        """Which of the `n` replies of the ask is next, from 0."""
        return len(self._said)

    def told(self) -> str:
        """What the seat has been told since its last reply, its instructions included at the beginning."""
        return "\n\n".join(message.text for message in self.ask.messages)

    def conversation(self) -> list[Message]:
        """All that the seat sees."""
        return self.request().conversation()

    def request(self) -> Request:
        """The next reply, as a policy is asked for it."""
        request = request_of(self.ask, self.pairing, Sampling())
        return replace(request, seeds=request.seeds[self.sibling : self.sibling + 1])

    def reply(self, reply: str | Completion) -> None:
        """Give the next reply, and let the match go on if it was the last that the ask waited for.

        Raises:
            UsageError: it is no text, or the match has ended.
        """
        ask = self.ask
        if isinstance(reply, str):
            reply = Completion(str(reply))
        if not isinstance(reply, Completion):
            raise UsageError(f"the reply of {ask.seat} is {reply!r:.80}; a text was expected")
        self._replies.append(reply)
        self._said.append(reply)
        if len(self._said) == ask.n:
            self._waiting.remove(ask)
            said, self._said = self._said, []
            self._driver.answer(ask, said)
            self._advance()

    def earned(self, seat: str) -> float:
        """Mean reward of the seat's moves, masked ones left out: a win is worth 1 however many moves it took."""
        rewards = [reward for reward in self.rewards(seat) if reward is not None]
        return sum(rewards) / len(rewards) if rewards else 0.0

    def rewards(self, seat: str) -> list[float | None]:
        """What each move of the seat earned, once the match has ended; `None`: masked."""
        return [move.reward for move in self._ended().moves if move.seat == seat]

    def outcome(self, seat: str) -> dict[str, Json]:
        """How the match ended for a seat."""
        record = self._ended()
        result = None if record.result is None else record.result[seat]
        return {"ending": str(record.ending), "result": result, "rewards": self.rewards(seat)}

    def transcript(self) -> str:
        """What was said so far: each move with what its seat had been told just before."""
        return "\n".join(f"[{move.seat}] {move.messages[-1].text}\n> {move.text}" for move in self._moves)

    def _take_down(self, pairing: Pairing, move: Move) -> None:
        self._moves.append(move)

    def _advance(self) -> None:
        with self._alarm:
            self._waiting += self._driver.advance()
        self._waiting.sort(key=lambda ask: ask.path)
        if self.record is not None:
            self._waiting.clear()
            if self.record.error is not None:
                raise GameError(f"{self.pairing.game}: the match ended as an error: {self.record.error}")
        elif not self._waiting:
            raise GameError(f"{self.pairing.game}: the match waits for nobody and has not ended")

    def _ended(self) -> MatchRecord:
        assert self.record is not None
        return self.record
