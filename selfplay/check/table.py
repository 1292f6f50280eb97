"""Where matches are played while a game is being checked: without an arena, so that replies can arrive in any order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from selfplay.alarm import Alarm
from selfplay.check.voices import Voice
from selfplay.check.watch import Offence, Watch
from selfplay.driver import Driver, Limits, request_of
from selfplay.errors import UsageError
from selfplay.game import Game
from selfplay.match import merged
from selfplay.seeds import derive
from selfplay.steps import Ask
from selfplay.types import Completion, Json, MatchRecord, Move, Pairing, Sampling, Task

Pick = Callable[[int], int]
"""Which of so many waiting asks is answered next."""


def first_come(waiting: int) -> int:
    return 0


def last_come(waiting: int) -> int:
    return waiting - 1


@dataclass(slots=True)
class Played:
    """A match, and what the suite saw besides its record."""

    record: MatchRecord
    seed: int
    touched: set[str] = field(default_factory=set)
    """Moves whose reward was set or which were masked, on purpose."""
    offences: list[Offence] = field(default_factory=list)
    used_chance: bool = False


class Table:
    """Plays matches of one game with a voice in every seat."""

    def __init__(self, game: Game, limits: Limits, alarm: Alarm, tasks: Sequence[Json]) -> None:
        self.game = game
        self.matches = 0
        self.moves = 0
        self._limits = limits
        self._alarm = alarm
        self._tasks = tasks

    def pairing(self, seed: int) -> Pairing:
        seats = self.game.seats()
        task = Task(self._tasks[seed % len(self._tasks)])
        players, learns = dict.fromkeys(seats, "check"), dict.fromkeys(seats, True)
        return Pairing(self.game.name(), players, learns, seed, seed, task=task, sampling_seed=derive(seed, "check"))

    def alone(self, seeds: Iterable[int], voice: Voice, *, watched: bool = False) -> list[Played]:
        """One match after the other."""
        return [self.together([seed], voice, first_come, watched=watched)[0] for seed in seeds]

    def together(self, seeds: Sequence[int], voice: Voice, pick: Pick, *, watched: bool = False) -> list[Played]:
        """All matches at once; one waiting ask at a time is answered, and its match goes on as far as it can."""
        seats = [_Chair(self.game, self.pairing(seed), self._alarm, self._limits, watched) for seed in seeds]
        waiting = [(chair, ask) for chair in seats for ask in chair.advance()]
        while waiting:
            chair, ask = waiting.pop(pick(len(waiting)))
            chair.answer(ask, voice)
            waiting += [(chair, new) for new in chair.advance()]
        played = [chair.played() for chair in seats]
        self.matches += len(played)
        self.moves += sum(len(each.record.moves) for each in played)
        return played


class _Chair:
    """One match at the table."""

    def __init__(self, game: Game, pairing: Pairing, alarm: Alarm, limits: Limits, watched: bool) -> None:
        self._touched: set[str] = set()
        watch_move = _watched_move(self._touched)

        def on_move(_: Pairing, move: Move) -> None:
            move.__class__ = watch_move

        self._driver = Driver(game, pairing, alarm, limits, on_move=on_move)
        self._watched = watched
        self._offences: list[Offence] = []
        self._used_chance = False

    def advance(self) -> list[Ask]:
        if not self._watched:
            return self._driver.advance()
        with warnings.catch_warnings(record=True) as caught, Watch(self._step) as watch:
            warnings.simplefilter("always")
            asks = self._driver.advance()
        self._offences += watch.offences
        self._offences += [
            Offence(str(warning.message).partition("\n")[0], "", self._step())
            for warning in caught
            if "was never awaited" in str(warning.message)
        ]
        self._used_chance |= watch.used_chance
        return asks

    def answer(self, ask: Ask, voice: Voice) -> None:
        try:
            sampling = merged(Sampling(), ask.sampling)
        except UsageError as error:
            self._driver.fail(str(error))
            return
        request = request_of(ask, self._driver.pairing, sampling)
        self._driver.answer(ask, [Completion(voice(request, seed)) for seed in request.seeds])

    def played(self) -> Played:
        record = self._driver.record
        assert record is not None
        return Played(record, record.pairing.seed, self._touched, self._offences, self._used_chance)

    def _step(self) -> str:
        return ".".join(map(str, self._driver.here))


def _watched_move(touched: set[str]) -> type[Move]:
    """A kind of move that tells when its reward is set: `None` on purpose differs from never having been set."""

    class WatchedMove(Move):
        __slots__ = ()

        @property
        def reward(self) -> float | None:
            return Move.reward.fget(self)  # type: ignore[attr-defined, no-any-return]

        @reward.setter
        def reward(self, value: float | None) -> None:
            touched.add(self.id)
            Move.reward.fset(self, value)  # type: ignore[attr-defined]

    return WatchedMove
