"""The arena plays many matches at once and hands each policy its pending requests as one batch.

Two modes:

- ``exact``: a policy is called only when every match is blocked, with its requests in (match, path) order. The batches
  are then a function of the matches alone, so a rerun gives the same bits (batch composition and padding change floats;
  nothing weaker would do). Matches come out in order of their numbers.
- ``fast``: each policy works all the time on whatever waits for it; a batch leaves when it is large or old enough.
  Matches come out as they end. Same rules, not the same bits.

Policies are called on a worker thread of their own, `Inline` ones on the arena's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice, takewhile
from types import TracebackType
from typing import Literal

from selfplay.alarm import Alarm
from selfplay.driver import NOTHING, Driver, Limits, OnMove, Recorded, request_of
from selfplay.errors import RunError, UnknownName, UsageError
from selfplay.game import Game
from selfplay.match import merged
from selfplay.steps import Ask
from selfplay.types import (
    Completion,
    Inline,
    Interruptible,
    Json,
    MatchRecord,
    Pairing,
    Player,
    Policy,
    Request,
    Sampling,
    Unanswered,
)

Mode = Literal["exact", "fast"]
_FAILED = "player "
"""How the error of a match begins whose player failed; others begin with an exception's name, or ``tool``."""


@dataclass(slots=True)
class _Pending:
    driver: Driver
    ask: Ask
    request: Request
    since: float


@dataclass(slots=True)
class _Queue:
    """One policy and what waits for it."""

    policy: Policy
    worker: ThreadPoolExecutor | None
    waiting: list[_Pending] = field(default_factory=list)
    batch: list[_Pending] = field(default_factory=list)
    running: Future[list[list[Completion]]] | None = None

    def send(self, most: int) -> None:
        """Hand the policy the first waiting requests."""
        self.batch, self.waiting = self.waiting[:most], self.waiting[most:]
        requests = [pending.request for pending in self.batch]
        if self.worker is not None:
            self.running = self.worker.submit(self.policy.complete, requests)
            return
        self.running = Future()
        try:
            self.running.set_result(self.policy.complete(requests))
        except Exception as error:
            self.running.set_exception(error)

    def receive(self) -> list[Driver]:
        """Hand the replies to their matches, which can go on then."""
        assert self.running is not None
        if not self.running.done():
            wait([self.running])  # Ctrl-C arrives here, and `drop` must still know what runs
        running, self.running = self.running, None
        batch, self.batch = self.batch, []
        replies: Sequence[list[Completion] | str]
        try:
            replies = running.result()
            wanted, given = [len(pending.request.seeds) for pending in batch], [len(each) for each in replies]
            if given != wanted:
                raise ValueError(f"gave {given} replies to requests for {wanted}")
        except (RunError, UsageError):
            raise
        except Unanswered as some:
            replies = some.replies
        except Exception as error:  # a policy's failure costs its matches, not the run; the tally stops a dead policy
            replies = [f"{type(error).__name__}: {error}"] * len(batch)
        for pending, reply in zip(batch, replies, strict=True):
            if isinstance(reply, str):
                player = pending.driver.pairing.seats[pending.ask.seat]
                pending.driver.fail(f"{_FAILED}{player} failed: {reply}")
            else:
                pending.driver.answer(pending.ask, reply)
        return [pending.driver for pending in batch]

    def drop(self) -> None:
        """Forget what waits and what is being written; a local policy in the middle of a batch ends it in peace."""
        if self.running is not None and not self.running.cancel() and isinstance(self.policy, Interruptible):
            self.policy.interrupt()
        self.waiting, self.batch, self.running = [], [], None

    def close(self) -> None:
        if self.worker is not None:
            self.worker.shutdown(wait=False, cancel_futures=True)


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
        self._queues: dict[int, _Queue] = {}
        self._samplings: dict[tuple[str, int | None], Sampling] = {}

    def __enter__(self) -> Arena:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for queue in self._queues.values():
            queue.close()

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
                for queue in self._queues.values():
                    queue.drop()
                for driver in open_:
                    driver.fail("the arena stopped before the match had ended")

    def _forget_the_past(self) -> None:
        """Players may have come, gone or changed since the last `play`."""
        self._samplings.clear()
        present = {id(player.policy) for player in self.players.values()}
        for key in [key for key in self._queues if key not in present]:
            self._queues.pop(key).close()

    def _exact(self, matches: Iterator[Driver], open_: dict[Driver, None]) -> Iterator[MatchRecord]:
        while True:
            for driver in islice(matches, self._in_flight - len(open_)):
                open_[driver] = None
            if not open_:
                return
            for driver in open_:
                self._enqueue(driver, driver.advance())
            for driver in list(takewhile(_has_ended, open_)):
                del open_[driver]
                yield driver.record  # type: ignore[misc]
            busy = [queue for queue in self._queues.values() if queue.waiting]
            for queue in busy:
                queue.waiting.sort(key=_order)
            busy.sort(key=lambda queue: _order(queue.waiting[0]))
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
                self._enqueue(driver, driver.advance())
                if driver.record is not None and driver in open_:
                    del open_[driver]
                    yield driver.record
            ready = self._exchange()

    def _exchange(self) -> list[Driver]:
        """Send what is due, wait for some batch to come back, and return the matches that can go on."""
        queues = list(self._queues.values())
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
        return Driver(game, pairing, alarm, self.limits, recorded=recorded, tools=self._tools, on_move=self._on_move)

    def _enqueue(self, driver: Driver, asks: list[Ask]) -> None:
        pairing, now = driver.pairing, time.monotonic()
        for ask in asks:
            player = self.players[pairing.seats[ask.seat]]
            try:
                sampling = self._sampling(player, ask)
            except UsageError as error:
                driver.fail(str(error))
                return
            request = request_of(ask, pairing, sampling)
            self._queue(player.policy).waiting.append(_Pending(driver, ask, request, now))

    def _queue(self, policy: Policy) -> _Queue:
        queue = self._queues.get(id(policy))
        if queue is None:
            worker = None if isinstance(policy, Inline) else ThreadPoolExecutor(1, "selfplay-policy")
            queue = self._queues[id(policy)] = _Queue(policy, worker)
        return queue

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
    return record.error is not None and record.error.startswith(_FAILED)


def _has_ended(driver: Driver) -> bool:
    return driver.record is not None


def _order(pending: _Pending) -> tuple[int, tuple[int, ...]]:
    return pending.request.number, pending.request.path
