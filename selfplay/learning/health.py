"""Health: is learning still doing what it should? Numbers per update, and rules that raise alarms over their history.

Mirror self-play can look healthy (rising rewards, steady entropy) while the policy decays; only a fixed held-out set
shows it. So besides what `metrics` reads from a batch, runs add a *canary*: the held-out solve rate under
``canary/solve_rate`` and `fall_p` against its best under ``canary/fall_p``.

Metric names: ``<role or role/tag>/<what>``, ``batch/<what>`` and ``notes/<what>``, the mean over the batch's matches of
a number that the game noted (`Match.note`), such as ``notes/solve_rate``. Everything here is pure. Acting on an alarm
is the run's business.

Learning from one's own votes ends in one answer to everything (SRT, arXiv 2505.21444). It shows in ``answer_entropy``,
the entropy of a batch's answers over that of the prompts they answer: near 1 or above where every prompt has answers of
its own, 0 where all have the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb, isnan, log
from statistics import fmean, pvariance

from selfplay.errors import UnknownName
from selfplay.learning.credit import CreditCounts, learnable
from selfplay.learning.keys import kind_of
from selfplay.learning.learner import UpdateStats
from selfplay.rewards import duplicate_share
from selfplay.types import Ending, MatchRecord, Move

Metrics = dict[str, float]

OF_MOVES = (
    "moves", "reward_mean", "reward_variance", "length", "surprise", "foul_rate", "zero_variance_share",
    "masked_share", "answer_entropy", "entropy", "kl", "ratio_max", "clip_fraction",
)  # fmt: skip
"""What is measured for each kind of move."""
OF_RULES = ("nll", "margin", "accuracy")
"""What some update rules measure besides, see `learner.RoleStats`."""
OF_UPDATE = ("entropy", "kl", "ratio_max", "clip_fraction", *OF_RULES)
"""Of all these, what comes from the update."""
OF_BATCH = ("error_share", "duplicate_share", "loss", "grad_norm", "lr")
OF_CANARY = ("solve_rate", "fall_p")
OF_BALANCE = ("best",)
"""Measured where a controller balances (`selfplay.run.balance`)."""
NOTES = "notes"


def check_metric(name: str, roles: Iterable[str]) -> None:
    """Refuse a rule on a metric that nobody will ever measure: it would stay silent for ever.

    Raises:
        UnknownName: no such role, or nothing of this name is measured.
    """
    owner, _, what = name.rpartition("/")
    if owner == NOTES and what.isidentifier():  # what a game notes is known only once it has been played
        return
    groups = {"batch": OF_BATCH, "canary": OF_CANARY, "balance": OF_BALANCE}
    groups |= dict.fromkeys(roles, (*OF_MOVES, *OF_RULES))
    role = owner.partition("/")[0]  # tags are the game's own, known only once it has been played
    if what not in groups.get(role, ()):
        known = [f"{group}/{each}" for group, names in groups.items() for each in names]
        raise UnknownName("metric", name, known, "from [[health]], [[controllers]] or [[phases]]")


def metrics(records: Sequence[MatchRecord], stats: UpdateStats, counts: Mapping[str, CreditCounts]) -> Metrics:
    """All numbers about one update. A number that cannot be known (no such move in the batch) is absent."""
    out: Metrics = {
        "batch/matches": len(records),
        "batch/error_share": _share(record.ending is Ending.ERROR for record in records),
        "batch/duplicate_share": _mean(duplicate_share(_proposals(records))),
        "batch/loss": stats.loss,
        "batch/grad_norm": stats.grad_norm,
        "batch/lr": stats.lr,
        "batch/tokens": stats.tokens,
    }
    moves: dict[str, list[tuple[MatchRecord, Move]]] = defaultdict(list)
    for record in records:
        for move in record.moves:
            if move.learn:
                moves[kind_of(move.role, move.tag)].append((record, move))
    for kind, played in moves.items():
        out |= {f"{kind}/{name}": value for name, value in _of_moves(played).items()}
    for kind, c in counts.items():
        out[f"{kind}/zero_variance_share"] = (c.zero_variance + c.singletons) / c.groups if c.groups else 0.0
        out[f"{kind}/masked_share"] = c.masked / c.moves if c.moves else 0.0
    for kind, role in stats.roles.items():
        for name in OF_UPDATE:
            value = getattr(role, name)
            if value is not None:
                out[f"{kind}/{name}"] = value
    out |= {f"{NOTES}/{name}": value for name, value in _of_notes(records).items()}
    return {name: value for name, value in out.items() if not isnan(value)}


def _of_notes(records: Sequence[MatchRecord]) -> Metrics:
    """Name -> mean of the numbers noted under it; true counts as 1, what is no number is passed over."""
    noted: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for fact in record.facts:
            if fact.kind == "note":
                for name, value in fact.data.items():
                    if isinstance(value, int | float):
                        noted[name].append(float(value))
    return {name: fmean(values) for name, values in noted.items()}


def _of_moves(played: list[tuple[MatchRecord, Move]]) -> Metrics:
    """Numbers about the learning moves of one kind; ``surprise``, -log p per sampled token, estimates entropy."""
    rewards = [move.reward for record, move in played if learnable(record, move) and move.reward is not None]
    lengths = [len(m.completion.token_ids) for _, m in played if m.completion.token_ids is not None]
    surprise = [-float(lp.mean()) for _, m in played if (lp := m.completion.logprobs) is not None and len(lp)]
    return {
        "moves": len(played),
        "reward_mean": _mean(rewards),
        "reward_variance": pvariance(rewards) if rewards else float("nan"),
        "length": _mean(lengths),
        "surprise": _mean(surprise),
        "foul_rate": _share(move.foul is not None for _, move in played),
        "answer_entropy": _answer_entropy([move for _, move in played if move.foul is None]),
    }


def _answer_entropy(answers: Sequence[Move]) -> float:
    """H(answers) / H(prompts), over all answers together; not known where all answer one prompt."""
    asked = _entropy(move.messages for move in answers)
    return _entropy(_said(move) for move in answers) / asked if asked else float("nan")


def _entropy(items: Iterable[Hashable]) -> float:
    """Of the shares of equal items, in nats."""
    counts = Counter(items).values()
    total = sum(counts)
    return -sum(n / total * log(n / total) for n in counts) if len(counts) > 1 else 0.0


def _proposals(records: Sequence[MatchRecord]) -> list[str]:
    """What the first move of each match says.

    A match on an earlier proposal (a task from the pool) proposes nothing: its first move is an answer.
    """
    own = [r.moves[0] for r in records if r.moves and not r.pairing.task.source.startswith("pool:")]
    return [_said(move) for move in own if move.foul is None]


def _said(move: Move) -> str:
    """What a move says, by its parsed value where that has a text of its own."""
    return repr(move.value) if _has_own_repr(move.value) else move.text.strip()


def _has_own_repr(value: object) -> bool:
    return value is not None and type(value).__repr__ is not object.__repr__


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else float("nan")


def _share(flags: Iterable[bool]) -> float:
    return _mean([float(flag) for flag in flags])


class Bound(StrEnum):
    """What a rule watches for."""

    BELOW_BEST = "below_best"
    """The metric is more than `threshold` below its own highest value so far."""
    ABOVE = "above"
    BELOW = "below"


class Action(StrEnum):
    """What the run shall do."""

    WARN = "warn"
    STOP = "stop"
    ROLLBACK = "rollback"
    """Go back to the best snapshot."""


@dataclass(frozen=True)
class Rule:
    """Raise an alarm when `metric` has been out of bounds in its last `patience` measurements."""

    metric: str
    kind: Bound
    threshold: float
    patience: int = 1
    action: Action = Action.WARN

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Bound(self.kind))
        object.__setattr__(self, "action", Action(self.action))
        if self.patience < 1:
            raise ValueError(f"health rule for {self.metric!r}: patience is {self.patience}; at least 1 was expected")


@dataclass(frozen=True)
class Alarm:
    """A rule that holds at the end of a history."""

    rule: Rule
    value: float
    bound: float
    """What the value should not have crossed."""

    def __str__(self) -> str:
        side = "above" if self.rule.kind is Bound.ABOVE else "below"
        times = f" for {self.rule.patience} measurements" if self.rule.patience > 1 else ""
        return f"{self.rule.metric} is {self.value:.4g}, {side} {self.bound:.4g}{times}: {self.rule.action}"


def judge(history: Sequence[Mapping[str, float]], rules: Iterable[Rule]) -> list[Alarm]:
    """The alarms that the newest entry of `history` gives rise to.

    Entries without a rule's metric are passed over (a canary is not measured at every update); a rule whose metric is
    not in the newest entry stays silent, so that one measurement raises at most one alarm.
    """
    alarms = []
    for rule in rules:
        if not history or rule.metric not in history[-1]:
            continue
        values = [entry[rule.metric] for entry in history if rule.metric in entry]
        recent = range(max(0, len(values) - rule.patience), len(values))
        if len(recent) == rule.patience and all(_out_of_bounds(rule, values, i) for i in recent):
            alarms.append(Alarm(rule, values[-1], _bound(rule, values, len(values) - 1)))
    return alarms


def _bound(rule: Rule, values: Sequence[float], i: int) -> float:
    return max(values[: i + 1]) - rule.threshold if rule.kind is Bound.BELOW_BEST else rule.threshold


def _out_of_bounds(rule: Rule, values: Sequence[float], i: int) -> bool:
    bound = _bound(rule, values, i)
    return values[i] > bound if rule.kind is Bound.ABOVE else values[i] < bound


def fall_p(now: Sequence[float], then: Sequence[float]) -> float:
    """How likely chance alone makes at least this many tasks worse: exact one-sided sign test, paired by task.

    Task i scored `then[i]` before and `now[i]` now; ties say nothing. Small means: it fell. For solved / not solved
    this is McNemar's exact test. Looking again and again, and at the best of many values, makes small p-values
    commoner than they say: ask for 0.01, or for patience.

    Raises:
        ValueError: not the same tasks.
    """
    if len(now) != len(then):
        raise ValueError(f"paired scores of the same tasks were expected, not {len(now)} and {len(then)}")
    worse = sum(a < b for a, b in zip(now, then, strict=True))
    n = worse + sum(a > b for a, b in zip(now, then, strict=True))
    return float(sum(comb(n, k) for k in range(worse, n + 1)) / 2**n)
