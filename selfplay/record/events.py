"""The public schema of a run's logs: ``events.jsonl``, ``metrics.jsonl`` and ``live.jsonl``.

Every line is one JSON object. A line of ``events.jsonl`` has ``schema`` (`codec.SCHEMA`), ``event`` (its kind),
``time`` (unix seconds, for people; nothing is ever computed from it) and the keys of its kind:

    run_started         id, game, recipe, generations, roles
    run_resumed         attempt, generation               generation: the last closed one that was kept, -1 for none
    generation_started  generation, matches               matches: how many are planned
    generation_closed   generation, matches, moves, tokens, endings, rewards
    edits               generation, edits                 edits: [match, move, reward, why] of `Game.settle`
    material            generation, rows, left_out        what an update selects or pairs; left_out: reason -> count
    override            generation, key, value, why       a controller changed a setting
    published           generation, match, source, key, item, solved, of
    snapshot            generation, update, name, path, score
    canary              generation, update, levels, mean  greedy answers to fixed held-out tasks
    alarm               rule, action, text                a health rule fired: warn, stop or rollback
    warning             text                              somebody should know, nothing is wrong yet
    error               where, text, log, match           a match, worker or game failed; log: file with the traceback
    run_ended           status, reason

The functions below build these lines; the writer adds ``schema`` and ``time``. A new optional key is no schema change;
readers ignore keys and kinds they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from selfplay.types import Edit, Json

Event = dict[str, Json]
"""A line of ``events.jsonl``."""


class RoleMetrics(TypedDict, total=False):
    """Health of one role (or ``role/tag``) in one update, over its learning moves; what is not known is absent."""

    reward_mean: float
    reward_variance: float
    foul_rate: float
    """Share of moves that were fouls, 0-1."""
    length: float
    """Mean tokens per move."""
    entropy: float
    """Mean nats per token of the sampling distribution."""
    kl: float
    """Mean nats per token against the reference."""
    zero_variance_share: float
    """Share of groups in which all rewards were equal: they teach nothing."""
    masked_share: float
    """Share of moves without a reward."""
    answer_entropy: float
    """Entropy of what was said over that of what was asked: 0 when everything gets the same answer."""


class Timing(TypedDict):
    """Where the wall time of one update went, in seconds."""

    generate_s: float
    learn_s: float
    other_s: float


class Metrics(TypedDict):
    """A line of ``metrics.jsonl``: one update. Counts are totals since the run began."""

    update: int
    generation: int
    time: NotRequired[float]
    """Unix seconds; added by the writer."""
    wall_s: float
    """Seconds of work since the run began, over all its attempts."""
    matches: int
    moves: int
    tokens: int
    """Sampled tokens."""
    roles: dict[str, RoleMetrics]
    notes: NotRequired[dict[str, float]]
    """Mean over the matches of the numbers that the game noted."""
    balance: NotRequired[dict[str, float]]
    """Balance score by selection threshold, and the ``best`` of them, where a controller looks for it."""
    duplicate_share: NotRequired[float]
    """Share of proposals that equal others of the same batch, 0-1."""
    loss: float
    grad_norm: float
    lr: float
    timing: Timing


class CanaryLevel(TypedDict):
    """Result on one difficulty level of the held-out tasks."""

    solved: list[int]
    """0 or 1 for each task: the first so many of a fixed order, so that two canaries can be compared in pairs."""


def run_started(
    id: str, game: str, recipe: str, generations: int | None, roles: Mapping[str, Sequence[str]] | None = None
) -> Event:
    """A run began; `generations` is what it plans (`None`: open-ended), `roles` maps each role to its tags."""
    kinds = {role: list(tags) for role, tags in (roles or {}).items()}
    what = {"id": id, "game": game, "recipe": recipe, "generations": generations, "roles": kinds}
    return {"event": "run_started", **what}


def run_resumed(attempt: int, generation: int) -> Event:
    """A later process went on after closed generation `generation` (-1: from the start)."""
    return {"event": "run_resumed", "attempt": attempt, "generation": generation}


def generation_started(generation: int, matches: int) -> Event:
    """A batch of `matches` matches is about to be played."""
    return {"event": "generation_started", "generation": generation, "matches": matches}


def generation_closed(
    generation: int,
    matches: int,
    moves: int,
    tokens: int,
    endings: Mapping[str, int],
    rewards: Mapping[str, float | None],
) -> Event:
    """A batch is complete: counts of this generation, matches by ending, mean reward by role (`None`: all masked)."""
    counts = {"matches": matches, "moves": moves, "tokens": tokens}
    means = {"endings": dict(endings), "rewards": dict(rewards)}
    return {"event": "generation_closed", "generation": generation, **counts, **means}


def edits(generation: int, changes: Sequence[Edit]) -> Event:
    """What `settle` changed once the whole batch was known."""
    return {"event": "edits", "generation": generation, "edits": [list(change) for change in changes]}


def material(generation: int, rows: int, left_out: Mapping[str, int]) -> Event:
    """What an update selects or pairs: `rows`, and how many moves, pairs or prompts were left out, by reason."""
    return {"event": "material", "generation": generation, "rows": rows, "left_out": dict(left_out)}


def override(generation: int, key: str, value: Json, why: str) -> Event:
    """A controller set `key` to `value` from the next generation on."""
    return {"event": "override", "generation": generation, "key": key, "value": value, "why": why}


def phase(generation: int, name: str, settings: Sequence[str], why: str) -> Event:
    """From `generation` on the run is in this phase, under these settings (as for ``--set``)."""
    return {"event": "phase", "generation": generation, "name": name, "settings": list(settings), "why": why}


def published(
    generation: int, match: str, source: str, key: str, item: Json, solved: float | None, of: int | None
) -> Event:
    """A match put an item into a task source; `solved` of `of` solvers managed it."""
    where = {"generation": generation, "match": match, "source": source, "key": key}
    return {"event": "published", **where, "item": item, "solved": solved, "of": of}


def snapshot(generation: int, update: int, name: str, path: str, score: float | None = None) -> Event:
    """Weights were frozen under `name`; `path` is relative to the run folder, `score` its canary mean."""
    where = {"name": name, "path": path, "score": score}
    return {"event": "snapshot", "generation": generation, "update": update, **where}


def canary(generation: int, update: int, levels: Mapping[str, Sequence[int]], mean: float) -> Event:
    """Held-out tasks were tried: per level 0 or 1 for each task (see `CanaryLevel`); `mean` is over the levels."""
    solved: dict[str, CanaryLevel] = {level: {"solved": [int(x) for x in marks]} for level, marks in levels.items()}
    return {"event": "canary", "generation": generation, "update": update, "levels": solved, "mean": mean}


def alarm(rule: str, action: str, text: str, generation: int | None = None) -> Event:
    """A health rule fired; `action` is ``warn``, ``stop`` or ``rollback``."""
    return {"event": "alarm", "rule": rule, "action": action, "text": text, "generation": generation}


def warning(text: str) -> Event:
    """Something a person should know."""
    return {"event": "warning", "text": text}


def error(where: str, text: str, log: str | None = None, match: str | None = None) -> Event:
    """Something failed in `where` (a worker, a match); `log` is the file with the traceback."""
    return {"event": "error", "where": where, "text": text, "log": log, "match": match}


def run_ended(status: str, reason: str = "") -> Event:
    """The run ended with `status` ``done``, ``stopped`` or ``failed``."""
    return {"event": "run_ended", "status": status, "reason": reason}
