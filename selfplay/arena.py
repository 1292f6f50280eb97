"""The arena plays many matches at once and hands each policy its pending requests as one batch.

Two modes:

- ``exact``: a policy is called only when every match is blocked and every claim is judged, with its requests in (match,
  path) order. The batches are then a function of the matches alone, so a rerun gives the same bits (batch composition
  and padding change floats; nothing weaker would do). Matches come out in order of their numbers.
- ``fast``: each policy works all the time on whatever waits for it; a batch leaves when it is large or old enough.
  Matches come out as they end. Same rules, not the same bits.

Claims that go to a pool of checkers (a `PooledChecker`'s) wait for it as requests wait for a policy: in exact mode all
those of a moment together. Policies and pools work on threads of their own, `Inline` policies on the arena's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, wait
from itertools import islice, takewhile
from operator import attrgetter
from types import TracebackType
from typing import Any, Literal

from selfplay.alarm import Alarm
from selfplay.driver import NOTHING, Driver, Limits, OnMove, Recorded, request_of
from selfplay.errors import RunError, UnknownName, UsageError
from selfplay.game import Game
from selfplay.match import merged
from selfplay.queues import PLAYER_FAILED, CheckQueue, PendingAsk, PendingCheck, PolicyQueue, Queue
from selfplay.steps import Ask
from selfplay.types import CheckerPool, Json, MatchRecord, Pairing, Player, Policy, Sampling

Mode = Literal["exact", "fast"]


class Arena:
    """Plays matches. Use it as a context manager, or `close` it, to end its worker threads.

    Args:
        games: game name (as pairings give it) -> the game with its settings.
        players: player name -> player.
        mode: see the module's text.
        in_flight: how many matches are open at a time.
        batch, age_s: in fast mode a batch leaves at this size or age.
        tools: outside services by name, before the games' own.
        on_move: called with every reply as it arrives, for live viewers.
        recorded: what is known already, by match id (resuming, replaying, forking).
    """

    def __init__(
        self,
        games: Mapping[str, Game],
        players: Mapping[str, Player],
        *,
        mode: Mode = "exact",
        limits: Limits = Limits(),  # noqa: B008 - frozen
        in_flight: int = 1024,
        batch: int = 128,
        age_s: float = 0.02,
        tools: Mapping[str, Callable[[Json], Json]] | None = None,
        on_move: OnMove | None = None,
        recorded: Mapping[str, Recorded] | None = None,
    ) -> None:
        if min(in_flight, batch) < 1:
            raise UsageError(f"in_flight={in_flight} and batch={batch}: nothing would be played, both are at least 1")
        self.games = games
        self.players = players
        self.mode = mode
        self.limits = limits
        self._in_flight = in_flight
        self._batch = batch
        self._age_s = age_s
        self._tools = tools
        self._on_move = on_move
        self._recorded = recorded or {}
        self._policies: dict[int, PolicyQueue] = {}
        self._pools: dict[int, CheckQueue] = {}
        self._samplings: dict[tuple[str, int | None], Sampling] = {}

    def __enter__(self) -> Arena:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for queue in self._queues:
            queue.close()

    @property
    def _queues(self) -> list[Queue[Any]]:
        return [*self._policies.values(), *self._pools.values()]

    def play(self, pairings: Iterable[Pairing]) -> Iterator[MatchRecord]:
        """Play all matches; yields records as the mode says. One `play` at a time.

        Raises:
            UsageError: a pairing names an unknown game or player, or leaves a seat empty. Raised before that match
                starts.
            RunError: too many matches are errors (`Limits.error_share`, `Limits.error_count`).
        """
        open_: dict[Driver, None] = {}
        tally = _ErrorTally(self.limits)
        self._forget_the_past()
        with Alarm(self.limits.step_s) as alarm:
            rounds = self._exact if self.mode == "exact" else self._fast
            try:
                for record in rounds((self._start(pairing, alarm) for pairing in pairings), open_):
                    yield record
                    tally.add(record)
            finally:  # the caller may have stopped listening, or pressed Ctrl-C: nothing of these matches may be left
                for queue in self._queues:
                    queue.drop()
                for driver in open_:
                    driver.fail("the arena stopped before the match had ended")

    def _forget_the_past(self) -> None:
        """Players may have come, gone or changed since the last `play`."""
        self._samplings.clear()
        present = {id(player.policy) for player in self.players.values()}
        for key in [key for key in self._policies if key not in present]:
            self._policies.pop(key).close()

    def _exact(self, matches: Iterator[Driver], open_: dict[Driver, None]) -> Iterator[MatchRecord]:
        while True:
            for driver in islice(matches, self._in_flight - len(open_)):
                open_[driver] = None
            if not open_:
                return
            for driver in open_:
                self._enqueue(driver)
            for driver in list(takewhile(_has_ended, open_)):
                del open_[driver]
                yield driver.record  # type: ignore[misc]
            busy: list[Queue[Any]] = [queue for queue in self._pools.values() if queue.waiting]
            busy = busy or [queue for queue in self._policies.values() if queue.waiting]
            for queue in busy:
                queue.waiting.sort(key=attrgetter("order"))
            busy.sort(key=lambda queue: queue.waiting[0].order)
            for queue in busy:
                queue.send(len(queue.waiting))
            for queue in busy:
                queue.receive()

    def _fast(self, matches: Iterator[Driver], open_: dict[Driver, None]) -> Iterator[MatchRecord]:
        ready: list[Driver] = []
        while True:
            for driver in islice(matches, self._in_flight - len(open_)):
                open_[driver] = None
                ready.append(driver)
            if not open_:
                return
            for driver in dict.fromkeys(ready):
                self._enqueue(driver)
                if driver.record is not None and driver in open_:
                    del open_[driver]
                    yield driver.record
            ready = self._exchange()

    def _exchange(self) -> list[Driver]:
        """Send what is due, wait for some batch to come back, and return the matches that can go on."""
        queues = self._queues
        now = time.monotonic()
        idle = not any(queue.running for queue in queues)
        for queue in queues:
            if queue.running or not queue.waiting:
                continue
            if idle or len(queue.waiting) >= self._batch or now - queue.waiting[0].since >= self._age_s:
                queue.send(self._batch)
        wait([queue.running for queue in queues if queue.running], self._age_s, FIRST_COMPLETED)
        return [driver for queue in queues if queue.running and queue.running.done() for driver in queue.receive()]

    def _start(self, pairing: Pairing, alarm: Alarm) -> Driver:
        game = self.games.get(pairing.game)
        if game is None:
            raise UnknownName("game", pairing.game, self.games)
        if set(game.seats()) != set(pairing.seats):
            seats = ", ".join(game.seats())
            raise UsageError(
                f"match {pairing.id} of {pairing.game}: seats {', '.join(sorted(pairing.seats))} were paired, "
                f"but the game has: {seats}"
            )
        for name in pairing.seats.values():
            if name not in self.players:
                raise UnknownName("player", name, self.players)
        recorded = self._recorded.get(pairing.id, NOTHING)
        return Driver(
            game, pairing, alarm, self.limits,
            recorded=recorded, tools=self._tools, on_move=self._on_move, defer_checks=True,
        )  # fmt: skip

    def _enqueue(self, driver: Driver) -> None:
        """Run the match until it waits for others, and put what it waits for into the queues."""
        asks, now = driver.advance(), time.monotonic()
        for ask in asks:
            player = self.players[driver.pairing.seats[ask.seat]]
            try:
                sampling = self._sampling(player, ask)
            except UsageError as error:
                driver.fail(str(error))
                return
            request = request_of(ask, driver.pairing, sampling)
            self._policy_queue(player.policy).waiting.append(PendingAsk(driver, ask, now, request))
        for check, checker in driver.take_checks():
            self._check_queue(checker.pool).waiting.append(PendingCheck(driver, check, now, checker))

    def _policy_queue(self, policy: Policy) -> PolicyQueue:
        if id(policy) not in self._policies:
            self._policies[id(policy)] = PolicyQueue(policy)
        return self._policies[id(policy)]

    def _check_queue(self, pool: CheckerPool) -> CheckQueue:
        if id(pool) not in self._pools:
            self._pools[id(pool)] = CheckQueue(pool)
        return self._pools[id(pool)]

    def _sampling(self, player: Player, ask: Ask) -> Sampling:
        """The player's settings, narrowed by the role's reply length, overridden by the ask."""
        key = (player.name, ask.role.max_tokens)
        base = self._samplings.get(key)
        if base is None:
            longest = player.sampling.max_tokens
            if ask.role.max_tokens is not None:
                longest = min(longest, ask.role.max_tokens)
            base = self._samplings[key] = merged(player.sampling, {"max_tokens": longest})
        return merged(base, ask.sampling) if ask.sampling else base


class _ErrorTally:
    """Stops a run in which too many matches are errors."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._matches = self._errors = 0

    def add(self, record: MatchRecord) -> None:
        self._matches += 1
        if record.error is None:
            return
        self._errors += 1
        limits = self._limits
        if self._errors >= limits.error_count and self._errors > limits.error_share * self._matches:
            raise RunError(
                f"{self._errors} of {self._matches} matches were errors; the last, {record.id}: {record.error}\n"
                f"  allowed are {limits.error_share:.0%} (limits.error_share); finished matches are in the run folder"
            )


def player_failed(record: MatchRecord) -> bool:
    """Whether a match is an error because of a player's trouble, not of the game's."""
    return record.error is not None and record.error.startswith(PLAYER_FAILED)


def _has_ended(driver: Driver) -> bool:
    return driver.record is not None
