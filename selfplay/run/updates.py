"""The learning half of a run: from closed generations to optimiser steps, and what has to be saved of it.

records of the window -> credit or selection -> rows of the roles whose turn it is -> reference log-probabilities
-> minibatches -> learner -> running mean
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from selfplay.game import Game
from selfplay.learning.average import Average
from selfplay.learning.batches import minibatches
from selfplay.learning.credit import CreditCounts, CreditRule, CreditState, credit
from selfplay.learning.learner import Learner, LearnerSettings, Rule, UpdateStats, make_learner
from selfplay.learning.material import material
from selfplay.learning.memory import load_state, save_state
from selfplay.learning.reference import fill_reference
from selfplay.learning.rows import rows_from
from selfplay.learning.start import Start
from selfplay.learning.statistics import in_sequence
from selfplay.learning.team import Team
from selfplay.record.run import Run
from selfplay.run.cast import Cast
from selfplay.run.parts import begins_again, learner_settings, widest_window
from selfplay.run.recipe import Recipe
from selfplay.run.rule import choice_of, credit_rules, homes
from selfplay.seeds import derive
from selfplay.types import MatchRecord, Row


class Lesson(NamedTuple):
    """What one closed generation gives to learn from."""

    rows: int
    steps: list[Sequence[Row]]
    """The rows of each optimiser step; at least one, which may be empty."""
    counts: Mapping[str, CreditCounts]
    """What credit made of the moves, by kind."""
    left_out: Counter[str] | None
    """What selection left out, by reason; `None` where credit alone decides."""
    reference_s: float
    warnings: list[str]
    """What a person should know about it."""


class Updates:
    """Everything that learns.

    Args:
        recipe: of the run.
        game: what is played.
        cast: whose weights learn.
        settings: of the learner, from the recipe.
    """

    def __init__(self, recipe: Recipe, game: Game, cast: Cast, settings: LearnerSettings) -> None:
        self._game, self._cast, self._settings = game, cast, settings
        self.learner = _learner(cast, settings)
        parameters = [p for weights in cast.weights.values() for p in weights.parameters()]
        self._average = Average(parameters, recipe.learning.average)
        self._start = Start(parameters, needed=begins_again(recipe))
        self._credit: CreditState = {}
        self._closed: deque[list[MatchRecord]] = deque(maxlen=widest_window(recipe))
        self._pending = 0
        self._taken: list[UpdateStats] = []
        self.version = 0
        """Number of the weights: optimiser steps so far, at the end of a generation."""

    def lesson(self, recipe: Recipe, generation: int, records: list[MatchRecord]) -> Lesson:
        """What to learn from a closed generation (and those before it in the window), under its settings."""
        self._closed.append(records)
        self._follow(recipe)
        section, rule = recipe.learning, self._settings.rule
        window = [record for batch in list(self._closed)[-section.window :] for record in batch]  # 0: all of them
        rules = credit_rules(recipe, self._game)
        result = credit(window, rules, self._credit)
        self._credit = result.state
        resting = {role for role in self._game.roles if not _learns_now(recipe.role(role).update_every, generation)}
        rows: list[Row] = []
        left_out: Counter[str] | None = None
        if rule.rewarded:
            roles = {(record.id, move.id): move.role for record in window for move in record.moves}
            rows += rows_from(
                window, {key: a for key, a in result.advantages.items() if roles[key] not in resting}
            ).rows
        if rule is not Rule.POLICY_GRADIENT:
            silent = resting | {role for role in self._game.roles if recipe.role(role).weight == 0.0}
            chosen, left_out = material(window, rule, choice_of(section), homes(self._cast, self._game, silent))
            for row in chosen:
                row.advantages *= np.float32(recipe.role(row.role).weight)
            rows += chosen
        started = time.monotonic()
        self._fill_reference(rows, section.reference)
        reference_s = time.monotonic() - started
        steps = minibatches(rows, section.epochs, section.minibatch, derive(recipe.seed, "minibatch", generation))
        if section.init == "base" and rows:
            self._start.begin_again(self.learner)
            self._average.reset()  # or it would mix what belongs to different beginnings
        self._pending, self._taken = len(steps), []
        first = generation == 0 and rule.rewarded
        warnings = [*filter(None, (_idle(kind, c, rules) for kind, c in result.counts.items()))] if first else []
        return Lesson(len(rows), steps, result.counts, left_out, reference_s, warnings)

    def taken(self, step: UpdateStats) -> UpdateStats | None:
        """Take note of an optimiser step; after a lesson's last one, the statistics of them all."""
        self._average.update(step.update)
        self._taken.append(step)
        if len(self._taken) < self._pending:
            return None
        self.number(step.update)
        return in_sequence(self._taken)

    def averaged(self) -> AbstractContextManager[None]:
        """Inside, the weights are those that are examined and kept."""
        return self._average.in_place()

    def begin_anew(self) -> None:
        """The weights were replaced from outside (a rollback)."""
        self.learner.forget()
        self._average.reset()

    def number(self, version: int) -> None:
        """Number the weights; every reply says which ones it came from."""
        self.version = version
        for weights in self._cast.weights.values():
            weights.policy.weights_version = version

    def save(self, folder: Path) -> None:
        """Write all that cannot be folded again from the logs."""
        self.learner.save(folder)
        self._average.save(folder)
        save_state(self._credit, folder)

    def load(self, folder: Path, run: Run, generation: int) -> None:
        """Take over what `save` wrote after closed generation `generation`, and read the window from the logs."""
        self.learner.load(folder)
        self._average.load(folder)
        self._credit = load_state(folder)
        window = self._closed.maxlen
        for number in range(0 if window is None else max(0, generation + 2 - window), generation + 1):
            self._closed.append(sorted(run.matches(number), key=lambda record: record.pairing.number))

    def _follow(self, recipe: Recipe) -> None:
        """Let the learner know the settings of this generation."""
        settings = learner_settings(recipe, self._cast)
        if settings != self._settings:
            self._settings = settings
            self.learner.configure(settings)

    def _fill_reference(self, rows: Collection[Row], reference: str) -> None:
        """What losses compare with: where the run started, or the weights as they are."""
        if reference == "current" and self._settings.rule.compares:
            for name, own in self._cast.weights.items():
                mine = [row for row in rows if self._cast.weights_of[row.player] == name]
                fill_reference(mine, own.policy.model, self._settings, self._cast.acting)
            return
        with self._cast.reference() as model:
            if model is not None:
                fill_reference(list(rows), model, self._settings)


def _learner(cast: Cast, settings: LearnerSettings) -> Learner:
    """One learner for each model that learns, together one."""
    members = {
        name: make_learner(weights.policy.model, weights.policy.tokenizer, settings, cast.acting)
        for name, weights in cast.weights.items()
    }
    return next(iter(members.values())) if len(members) == 1 else Team(members, cast.weights_of)


def _idle(kind: str, counts: CreditCounts, rules: Mapping[str, CreditRule]) -> str | None:
    """What to say where no move of this kind has a reward, or anything to be compared with."""
    rule = rules.get(kind, rules[kind.partition("/")[0]])
    if counts.masked == counts.moves:
        return (
            f"{kind} learns nothing from the first generation: none of its {counts.moves} moves has a reward\n  "
            "`selfplay show RUN/MATCH` says of each why it is masked"
        )
    if rule.how.absolute or counts.singletons + counts.zero_variance < counts.groups:
        return None
    alone = f"{counts.singletons} of {counts.groups} groups have a single member"
    return (
        f"{kind} learns nothing from the first generation: {alone}, in the others all rewards are equal\n  "
        f"if it stays so: ask for several replies, or change credit ({rule.estimator}) or group_by ({rule.group_by})"
    )


def _learns_now(every: int, generation: int) -> bool:
    return every > 0 and (generation + 1) % every == 0
