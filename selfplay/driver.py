"""Drives the script of one match: resumes `play` by `send`, keeps the branches, and gathers the record.

The driver knows no policy. `advance` runs the script until every branch waits for a reply and returns the asks that are
new; `answer` hands replies in. With `defer_checks` claims for a pool of checkers wait in the same way (`take_checks`,
`judged`); otherwise every claim is judged on the spot. Recorded replies, verdicts and tool results can be given
beforehand: a match is a function of them, so this one mechanism is replay, re-scoring, forking and resuming.
"""

from __future__ import annotations

import copy
import os
import random
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from selfplay.alarm import Alarm
from selfplay.errors import GameEndless, GameError, GameHung, RunError, UnknownName, UsageError
from selfplay.game import Game
from selfplay.match import Match, path_of, reply_seed
from selfplay.seeds import mix
from selfplay.steps import Ask, Call, Check, Forfeit, Gather
from selfplay.types import (
    Completion,
    Ending,
    Fact,
    Json,
    MatchRecord,
    Move,
    Outcome,
    Pairing,
    Path,
    PooledChecker,
    Request,
    Sampling,
    Turn,
    Verdict,
    finite,
    plain,
)

_HERE = os.path.dirname(__file__)
_ENGINE = (_HERE, os.path.join(_HERE, "check"))

_DISTRIBUTION = frozenset({"temperature", "top_p", "top_k"})

OnMove = Callable[[Pairing, Move], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """When the engine gives a match up."""

    step_s: float = 5.0
    """Seconds of computing between two awaits."""
    steps: int = 10_000
    """Steps (asks, checks, calls, gathers) in one match."""
    error_share: float = 0.5
    """A run stops when more than this share of a generation's matches are errors."""
    error_count: int = 8
    """... and at least this many are."""


@dataclass(slots=True)
class Recorded:
    """What is already known about a match: replies, verdicts and tool results by path."""

    replies: Mapping[Path, list[Completion]] = field(default_factory=dict)
    verdicts: Mapping[Path, Verdict] = field(default_factory=dict)
    calls: Mapping[Path, Json] = field(default_factory=dict)


NOTHING = Recorded()


class Branch:
    """One strand of a match: the main one, or one of a `gather`."""

    __slots__ = ("_rng", "_seed", "_step", "coroutine", "heads", "index", "join", "path", "tells")

    def __init__(self, path: Path, coroutine: Coroutine[Any, Any, Any], seed: int) -> None:
        self.path = path
        self.coroutine = coroutine
        self.heads: dict[str, Move | None] = {}
        """Seat -> the move its conversation goes on from; `None`: there is no single one."""
        self.tells: dict[str, tuple[tuple[Path, str], ...]] = {}
        self.join: _Join | None = None
        self.index = 0
        self._step = 0
        self._seed = seed
        self._rng: random.Random | None = None

    @property
    def here(self) -> Path:
        """The path of the next step; facts are noted before it."""
        return (*self.path, self._step)

    def next_path(self) -> Path:
        path = (*self.path, self._step)
        self._step += 1
        return path

    @property
    def rng(self) -> random.Random:
        if self._rng is None:
            seed = self._seed
            for part in self.path:
                seed = mix(seed, part)
            self._rng = random.Random(mix(seed, 0))
        return self._rng


class _Raise(NamedTuple):
    """Sent into a branch instead of a value: raise this there."""

    error: BaseException


class _Join:
    """The parent of a gather, waiting for its branches."""

    __slots__ = ("branches", "left", "parent", "results")

    def __init__(self, parent: Branch, branches: list[Branch]) -> None:
        self.parent = parent
        self.branches = branches
        self.left = len(branches)
        self.results: list[Any] = [None] * len(branches)

    def merge(self) -> None:
        """Bring conversations and tells of the branches home (rules: `selfplay.match`)."""
        base_heads, base_tells = self.parent.heads, self.parent.tells
        heads, tells = dict(base_heads), dict(base_tells)
        for seat in {s for b in self.branches for s in b.heads}:
            moved = [b.heads[seat] for b in self.branches if b.heads.get(seat, self) is not base_heads.get(seat, self)]
            if moved:
                heads[seat] = moved[0] if len(moved) == 1 else None
        for seat in {s for b in self.branches for s in b.tells}:
            old = base_tells.get(seat, ())
            fresh = [tell for b in self.branches for tell in b.tells.get(seat, ())[len(old) :]]
            tells[seat] = (*old, *fresh)
        self.parent.heads, self.parent.tells = heads, tells


class Driver:
    """One match being played."""

    def __init__(
        self,
        game: Game,
        pairing: Pairing,
        alarm: Alarm,
        limits: Limits,
        *,
        recorded: Recorded = NOTHING,
        tools: Mapping[str, Callable[[Json], Json]] | None = None,
        on_move: OnMove | None = None,
        defer_checks: bool = False,
    ) -> None:
        self.pairing = pairing
        self.record: MatchRecord | None = None
        """Set once the match has ended."""
        self._game = copy.copy(game)  # what a script writes on `self` stays in its match
        self._alarm = alarm
        self._limits = limits
        self._recorded = recorded
        self._tools = {**game.tools, **tools} if tools else game.tools
        self._on_move = on_move
        self._defer_checks = defer_checks
        self._checks: list[tuple[Check, PooledChecker]] = []
        self._match = Match(self._game, pairing)
        self._ready: deque[tuple[Branch, Any]] = deque()
        self._waiting: dict[Path, Branch] = {}
        self._open: dict[Branch, None] = {}
        self._steps = 0
        self._config: dict[str, Json] = {}
        try:
            self._config = game.settings()  # before `play` can touch them
            self._match._branch = Branch((), self._game.play(self._match), pairing.seed)
            self._start(self._match._branch)
        except Exception as error:
            self._finish(Ending.ERROR, error=describe(error))

    @property
    def here(self) -> Path:
        """The path of the step that the script prepares, or prepared last."""
        return self._match._branch.here

    def advance(self) -> list[Ask]:
        """Run until every branch waits for a reply or the match has ended; returns the asks that are new."""
        asks: list[Ask] = []
        while self._ready and self.record is None:
            branch, value = self._ready.popleft()
            self._resume(branch, value, asks)
        return [] if self.record is not None else asks

    def answer(self, ask: Ask, completions: list[Completion]) -> None:
        """Hand in the replies to an ask; `advance` goes on with them."""
        if self.record is not None:
            return
        branch = self._waiting.pop(ask.path)
        self._ready.append((branch, self._moves(branch, ask, completions)))

    def take_checks(self) -> list[tuple[Check, PooledChecker]]:
        """Claims for pools of checkers that are new since the last call, each with its checker."""
        checks, self._checks = self._checks, []
        return [] if self.record is not None else checks

    def judged(self, check: Check, verdict: Verdict) -> None:
        """Hand in the verdict on a claim that `take_checks` gave; `advance` goes on with it."""
        if self.record is None:
            self._ready.append((self._waiting.pop(check.path), self._noted(check, verdict)))

    def fail(self, why: str) -> None:
        """End the match as an error that is nobody's fault in the game (a policy failed)."""
        if self.record is None:
            self._finish(Ending.ERROR, error=why)

    def _start(self, branch: Branch) -> None:
        self._open[branch] = None
        self._ready.append((branch, None))

    def _resume(self, branch: Branch, value: Any, asks: list[Ask]) -> None:
        self._match._branch = branch
        try:
            if type(value) is _Raise:
                step = self._alarm.guard(branch.coroutine.throw, value.error)
            else:
                step = self._alarm.guard(branch.coroutine.send, value)
        except StopIteration as done:
            self._ended(branch, done.value)
        except KeyboardInterrupt:
            raise
        except GameHung as error:
            self._finish(Ending.ERROR, error=describe(error))
        except BaseException as error:  # SystemExit and the like too: the game's own failure becomes a record
            self._ended(branch, _Raise(error))
        else:
            self._take(branch, step, asks)
            self._steps += 1
            if self._steps > self._limits.steps and self.record is None:
                endless = GameEndless(f"took more than {self._limits.steps} steps without ending")
                self._finish(Ending.ERROR, error=describe(endless))

    def _take(self, branch: Branch, step: object, asks: list[Ask]) -> None:
        if type(step) is Ask:
            known = self._recorded.replies.get(step.path)
            if known is not None and len(known) == step.n:
                self._ready.append((branch, self._moves(branch, step, known)))
            else:
                self._waiting[step.path] = branch
                asks.append(step)
        elif type(step) is Check:
            self._check(branch, step)
        elif type(step) is Call:
            self._call(branch, step)
        elif type(step) is Gather:
            self._fork(branch, step)
        elif type(step) is Forfeit:
            self._ended(branch, step)
        else:
            what = f"{type(step).__name__} was awaited; only match verbs may be"
            self._ready.append((branch, _Raise(GameError(what))))

    def _moves(self, branch: Branch, ask: Ask, completions: list[Completion]) -> list[Move]:
        parent, base = ask.parent, ".".join(map(str, ask.path))
        pairing = self.pairing
        as_played = _DISTRIBUTION.isdisjoint(ask.sampling)  # else these are not the probabilities the learner sees
        learn = ask.learn and as_played and pairing.learns.get(ask.seat, False)
        player = pairing.seats[ask.seat]
        moves = [
            Move(
                f"{base}.{i}" if ask.siblings else base, parent, ask.role.name, ask.seat, ask.tag, ask.group, player,
                learn, ask.secret, ask.messages, completion,
                Turn(parent.turn if parent else None, ask.messages, completion, ask.told),
            )
            for i, completion in enumerate(completions)
        ]  # fmt: skip
        branch.heads[ask.seat] = None if ask.siblings else moves[0]
        self._match._moves += moves
        if self._on_move is not None:
            for move in moves:
                self._on_move(pairing, move)
        return moves

    def _check(self, branch: Branch, check: Check) -> None:
        verdict = self._recorded.verdicts.get(check.path)
        if verdict is None and isinstance(check.checker, PooledChecker):
            if self._defer_checks:
                self._waiting[check.path] = branch
                self._checks.append((check, check.checker))
                return
            verdict = pooled_verdict(check.checker, check.claim)
        elif verdict is None:
            verdict = _verdict(check, self._alarm)
            if verdict.outcome is Outcome.NO_VERDICT:  # infrastructure trouble: once more, alone
                verdict = _verdict(check, self._alarm)
        self._ready.append((branch, self._noted(check, verdict)))

    def _noted(self, check: Check, verdict: Verdict) -> Verdict:
        if verdict.outcome in (Outcome.NO_VERDICT, Outcome.UNDECIDED):
            for move in check.about:
                move.mask(str(verdict.outcome))
        data = {
            "outcome": str(verdict.outcome), "score": verdict.score, "status": verdict.status, "blame": verdict.blame,
            "detail": verdict.detail, "about": [m.id for m in check.about],
        }  # fmt: skip
        if verdict.parts:
            data["parts"] = list(verdict.parts)
        self._match._facts.append(Fact(check.path, "check", data))
        return verdict

    def _call(self, branch: Branch, call: Call) -> None:
        try:
            if call.path in self._recorded.calls:
                result = self._recorded.calls[call.path]
            elif call.tool in self._tools:
                result = self._tools[call.tool](plain(call.args, "args"))
            else:
                raise UnknownName("tool", call.tool, self._tools)
            result = plain(result, "its result")
        except Exception as error:  # a tool is an outside service: its failure ends the match, not the run
            self._finish(Ending.ERROR, error=f"tool {call.tool} failed: {describe(error)}")
            return
        self._match._facts.append(Fact(call.path, "call", {"tool": call.tool, "args": call.args, "result": result}))
        self._ready.append((branch, plain(result, "its result")))

    def _fork(self, branch: Branch, gather: Gather) -> None:
        self._match._forked = True
        children = []
        for i, coroutine in enumerate(gather.branches):
            child = Branch((*gather.path, i), coroutine, self.pairing.seed)
            child.heads, child.tells, child.index = dict(branch.heads), dict(branch.tells), i
            children.append(child)
        join = _Join(branch, children)
        for child in children:
            child.join = join
            self._start(child)

    def _ended(self, branch: Branch, outcome: Any) -> None:
        """A branch is over, with what it returned, what it raised (`_Raise`) or a foul (`Forfeit`)."""
        join = branch.join
        if type(outcome) is not Forfeit:
            self._open.pop(branch, None)
        if join is not None:
            join.results[branch.index] = outcome
            join.left -= 1
            if not join.left:
                self._rejoin(join)
        elif type(outcome) is Forfeit:
            self._finish(Ending.FOUL, forfeit=outcome.move.seat)
        elif type(outcome) is _Raise:
            self._finish(Ending.ERROR, error=describe(outcome.error))
        else:
            self._finish(Ending.OK)

    def _rejoin(self, join: _Join) -> None:
        join.merge()
        stop = next((result for result in join.results if type(result) in (_Raise, Forfeit)), None)
        if type(stop) is Forfeit:
            self._ended(join.parent, stop)
        else:
            self._ready.append((join.parent, stop or join.results))

    def _finish(self, ending: Ending, *, forfeit: str | None = None, error: str | None = None) -> None:
        match = self._match
        for branch in self._open:
            match._branch = branch
            _close(branch.coroutine, self._alarm)
        facts = match._facts
        if match._forked:
            facts = sorted(facts, key=lambda fact: fact.path)
        self.record = MatchRecord(
            self.pairing, self._config, match.moves, facts, match._scores, ending, forfeit, error
        )  # fmt: skip


def ask_of(move_id: str) -> tuple[Path, int]:
    """The path of the ask that a move answers, and which of its replies it is.

    Asks lie at odd depths (step, then branch and step for every `gather` around it), so an even one ends in the
    sibling's number.
    """
    path = path_of(move_id)
    return (path, 0) if len(path) % 2 else (path[:-1], path[-1])


def seeds_of(ask: Ask, pairing: Pairing) -> tuple[int, ...]:
    """One sampling seed per wanted reply."""
    return tuple(reply_seed(pairing.sampling_seed, ask.path, i) for i in range(ask.n))


def request_of(ask: Ask, pairing: Pairing, sampling: Sampling) -> Request:
    """What a policy gets to see of an ask."""
    parent = ask.parent.turn if ask.parent else None
    seeds = seeds_of(ask, pairing)
    return Request(ask.role.name, ask.seat, parent, ask.messages, sampling, seeds, pairing.number, ask.path)


def pooled_verdict(checker: PooledChecker, claim: Any) -> Verdict:
    """The verdict on one claim alone; the pool keeps time itself.

    Raises:
        RunError, UsageError: the pool cannot judge anything.
    """
    try:
        return checker(claim)
    except (RunError, UsageError):
        raise
    except Exception as error:
        return _crash(error)


def _verdict(check: Check, alarm: Alarm) -> Verdict:
    try:
        found = alarm.guard(check.checker, check.claim)
        score = finite(found.score if isinstance(found, Verdict) else found, "the checker's score")
        if isinstance(found, Verdict):
            return found
        if score is None:
            raise GameError("the checker returned None; a Verdict, bool or score in [0, 1] was expected")
    except Exception as error:
        return _crash(error)
    return Verdict(Outcome.PASS if score >= 1.0 else Outcome.FAIL, score=score)


def _crash(error: Exception) -> Verdict:
    """Could not tell is never wrong."""
    return Verdict(Outcome.NO_VERDICT, status="CRASH", detail=describe(error))


def _close(coroutine: Coroutine[Any, Any, Any], alarm: Alarm) -> None:
    """Let the script run its `finally` blocks; the match is over, so nothing they do wrong matters any more."""
    try:
        alarm.guard(coroutine.close)
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass


def describe(error: BaseException) -> str:
    """Type, text, and where: the line of the script and the innermost line, the same on every machine."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if os.path.dirname(f.filename) not in _ENGINE] or frames
    lines = dict.fromkeys(f"{os.path.basename(f.filename)}:{f.lineno} in {f.name}" for f in (*ours[:1], *ours[-1:]))
    where = f" ({' > '.join(lines)})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"
