"""The loop of a run: play a generation, close it, learn from it, look at the result, again.

    pairings -> matches -> settle -> credit -> rows -> learner -> new weights -> metrics, canary, health -> checkpoint

The learner pulls: `Loop.generations` plays one generation per `next`, `Loop.learned` is called after each update. What
the loop knows is either in the learner's checkpoint or a fold over the run's logs (task pool, controllers, health
history, totals), so resuming is: rewind the logs, load the learner, fold, go on.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfplay.arena import Arena
from selfplay.driver import describe
from selfplay.errors import RunError
from selfplay.game import Game
from selfplay.games import make_game
from selfplay.learning.average import Average
from selfplay.learning.batches import minibatches
from selfplay.learning.credit import CreditCounts, CreditState, credit
from selfplay.learning.health import Rule, fall_p, judge
from selfplay.learning.health import metrics as health_metrics
from selfplay.learning.learner import Learner, LearnerSettings, UpdateStats, make_learner
from selfplay.learning.learner import Rule as UpdateRule
from selfplay.learning.material import material
from selfplay.learning.memory import load_state, save_state
from selfplay.learning.reference import fill_reference
from selfplay.learning.rows import rows_from
from selfplay.learning.start import Start
from selfplay.learning.statistics import in_sequence
from selfplay.learning.team import Team
from selfplay.record import events
from selfplay.record.live import LiveFeed
from selfplay.record.log import cannot_write
from selfplay.record.run import Run
from selfplay.record.writer import RunWriter
from selfplay.run.cast import MAIN, Cast, sampling_from
from selfplay.run.evaluate import ExamResult, evaluate
from selfplay.run.matchmaker import mirror
from selfplay.run.parts import Parts, begins_again, credit_rules, learner_settings, widest_window
from selfplay.run.recipe import Recipe
from selfplay.run.recipe_file import with_settings
from selfplay.run.resume import Salvage
from selfplay.run.rule import choice_of, homes
from selfplay.run.schedules import applied
from selfplay.run.snapshots import Kept, Snapshots
from selfplay.run.tables import flatten, metrics_line
from selfplay.seeds import derive
from selfplay.types import Ending, MatchRecord, Pairing, Player, Row


class HealthStop(RunError):
    """A health rule stopped the run."""


class StopRequested(Exception):
    """The person at the terminal asked for an end; everything is saved."""


@dataclass(slots=True)
class _Totals:
    """Counts since the run began, over all its attempts."""

    matches: int = 0
    moves: int = 0
    tokens: int = 0
    wall_s: float = 0.0


@dataclass(slots=True)
class _Generation:
    """What is known about the generation that is being learned from."""

    number: int
    records: list[MatchRecord] = field(default_factory=list)
    counts: Mapping[str, CreditCounts] = field(default_factory=dict)
    started: float = 0.0
    generate_s: float = 0.0
    reference_s: float = 0.0
    steps: int = 1
    """Optimiser steps planned."""
    learned: list[UpdateStats] = field(default_factory=list)
    """Those taken."""


class Loop:
    """One process's work on a run.

    Args:
        recipe: resolved.
        parts: built from it.
        writer: entered; its logs are already rewound.
    """

    def __init__(self, recipe: Recipe, parts: Parts, writer: RunWriter) -> None:
        self.recipe = recipe
        self.game, self.cast = parts.game, parts.cast
        self._tasks, self._controllers, self._phases = parts.tasks, parts.controllers, parts.phases
        self.stop = False
        """Set it to end the run, saved, after the generation that is being played."""
        self.next = 0
        """The next generation to be played."""
        self._writer = writer
        self._run = Run(writer.folder)
        self._live = LiveFeed(writer)
        self._overridden: dict[str, Any] = {}
        self._rules = [Rule(h.metric, h.kind, h.threshold, h.patience, h.action) for h in recipe.health]  # type: ignore[arg-type]
        self._settings = parts.learning
        self.learner = _learner(self.cast, self._settings)
        weights = self.cast.weights.values()
        self._average = Average([p for own in weights for p in own.parameters()], recipe.learning.average)
        self._start = Start([p for own in weights for p in own.parameters()], needed=begins_again(recipe))
        self._snapshots = Snapshots(writer, self._kept(), recipe.schedule.snapshot_every)
        self._salvage = Salvage(writer.folder)
        self._totals = _Totals()
        self._history: list[dict[str, float]] = []
        self._best_marks: dict[str, list[int]] = {}
        self._credit: CreditState = {}
        self._closed: deque[list[MatchRecord]] = deque(maxlen=widest_window(recipe))
        self._now = _Generation(-1)
        self._version = 0
        self._phase = ""

    # ------------------------------------------------------------------ the run

    def run(self) -> None:
        """From wherever the run stands to its end.

        Raises:
            HealthStop: a rule stopped it.
            StopRequested: `stop` was set.
            RunError: too many errors, or the disk refused.
        """
        if self.next == 0 and not any(self._run.events("canary")):
            self._canary(-1, self.recipe.evaluation.final_tasks)
        self.learner.train(self.generations(), self.learned)
        if self.stop and self.next < self.recipe.schedule.generations:
            self._checkpoint()
            raise StopRequested

    def generations(self) -> Iterator[Sequence[Row]]:
        """The optimiser steps of one generation after the other; plays it when the first is asked for."""
        while self.next < self.recipe.schedule.generations and not self.stop:
            recipe, rows = self._play()
            section, number = recipe.learning, self._now.number
            if section.init == "base" and rows:
                self._start.begin_again(self.learner)
            batches = minibatches(rows, section.epochs, section.minibatch, derive(recipe.seed, "minibatch", number))
            self._now.steps = len(batches)
            yield from batches

    def learned(self, step: UpdateStats) -> None:
        """Take note of an optimiser step; after a generation's last one of metrics, canary, health, checkpoint."""
        now, schedule = self._now, self.recipe.schedule
        self._average.update(step.update)
        now.learned.append(step)
        if len(now.learned) < now.steps:
            return
        stats = in_sequence(now.learned)
        self._set_version(stats.update)
        last = now.number + 1 == schedule.generations
        every = self.recipe.evaluation.every
        canary: ExamResult | None = None
        if last or (every and (now.number + 1) % every == 0):
            tasks = self.recipe.evaluation.final_tasks if last else self.recipe.evaluation.tasks
            canary = self._canary(now.number, tasks, stats.update)
        self._log_metrics(stats, canary)
        self.next = now.number + 1
        self._act_on_health()
        if canary is None and (last or self._snapshots.due(now.number)):
            with self._average.in_place():
                self._snapshots.take(now.number, stats.update, None)
        if last or self.next % schedule.checkpoint_every == 0:
            self._checkpoint()

    # -------------------------------------------------------------- a generation

    def _play(self) -> tuple[Recipe, list[Row]]:
        """A generation, and the rows to learn from under its settings."""
        self._now = now = _Generation(self.next, started=time.monotonic())
        recipe, game = self._overrides(now.number)
        pairings = self._pairings(recipe, game, now.number)
        self._writer.event(events.generation_started(now.number, len(pairings)))
        busy = self.cast.busy_s
        kept = self._salvage.records(now.number)
        for record in self._matches(recipe, game, pairings, kept):
            now.records.append(record)
            self._writer.match(record)
            self._live.on_end(record)
        self._writer.close_generation(now.number)
        now.generate_s = self.cast.busy_s - busy
        now.records.sort(key=lambda record: record.pairing.number)
        self._settle(game, now)
        self._tasks.absorb(now.number, now.records)
        self._closed.append(now.records)
        self._configure(recipe)
        return recipe, self._rows(recipe, now)

    def _pairings(self, recipe: Recipe, game: Game, generation: int) -> list[Pairing]:
        return mirror(
            game,
            generation,
            seed=recipe.seed,
            matches=recipe.schedule.matches,
            replicas=recipe.schedule.replicas,
            player_of=self.cast.player_of,
            learns=self.cast.learns,
            opponents=self.cast.opponents,
            task_of=lambda deal: self._tasks.draw(generation, deal),
        )

    def _matches(
        self, recipe: Recipe, game: Game, pairings: Sequence[Pairing], kept: Mapping[str, MatchRecord]
    ) -> Iterator[MatchRecord]:
        """Finished matches that an earlier process left are taken as they are; the rest is played."""
        fast = recipe.schedule.mode == "fast"
        yield from kept.values()
        open_ = [p for p in pairings if p.id not in kept]
        number = self._now.number
        recorded = self._salvage.replies(number, open_) if fast else None
        on_move = self._salvage.watch(number, self._live.on_move) if fast else self._live.on_move
        limits, players = recipe.limits.engine(), self.cast.sampling_as(recipe)
        with Arena(
            {game.name(): game}, players, mode=recipe.schedule.mode, limits=limits, on_move=on_move,
            recorded=recorded,
        ) as arena:  # fmt: skip
            yield from arena.play(open_)
        self._salvage.clear(number)

    def _settle(self, game: Game, now: _Generation) -> None:
        """Apply what the game says once the batch is known, and log the closed generation."""
        moves = {(record.id, move.id): move for record in now.records for move in record.moves}
        try:
            changes = list(game.settle(now.records))
            for edit in changes:
                moves[edit.match, edit.move].reward = edit.reward
        except Exception as error:
            raise RunError(
                f"settle of game {game.name()} failed in generation {now.number}: {describe(error)}\n"
                "  `selfplay games check` tries it on many kinds of matches"
            ) from error
        if changes:
            self._writer.event(events.edits(now.number, changes))
        played = [move for record in now.records for move in record.moves]
        tokens = sum(len(m.completion.token_ids) for m in played if m.completion.token_ids is not None)
        earned: dict[str, list[float]] = {role: [] for role in game.roles}
        for move in played:
            if move.reward is not None:
                earned[move.role].append(move.reward)
        means = {role: sum(r) / len(r) if r else None for role, r in earned.items()}
        endings = Counter(str(record.ending) for record in now.records)
        self._writer.event(events.generation_closed(now.number, len(now.records), len(played), tokens, endings, means))
        first_error = next((r for r in now.records if r.ending is Ending.ERROR), None)
        if first_error is not None:
            self._writer.event(events.error("match", first_error.error or "", match=first_error.id))
        self._totals.matches += len(now.records)
        self._totals.moves += len(played)
        self._totals.tokens += tokens

    def _rows(self, recipe: Recipe, now: _Generation) -> list[Row]:
        """Rows of the roles whose turn it is, by credit or choice, with reference log-probabilities where needed."""
        records, rule = self._window(recipe.learning.window), self._settings.rule
        result = credit(records, credit_rules(recipe, self.game), self._credit)
        self._credit = result.state
        now.counts = result.counts
        resting = {role for role in self.game.roles if not _learns_now(recipe.role(role).update_every, now.number)}
        rows: list[Row] = []
        if rule.rewarded:
            roles = {(record.id, move.id): move.role for record in records for move in record.moves}
            awake = {key: a for key, a in result.advantages.items() if roles[key] not in resting}
            rows += rows_from(records, awake).rows
        if rule is not UpdateRule.POLICY_GRADIENT:
            made = material(records, rule, choice_of(recipe.learning), homes(self.cast, self.game, resting))
            rows += made.rows
            self._writer.event(events.material(now.number, len(made.rows), made.left_out))
        start = time.monotonic()
        self._fill_reference(rows, recipe.learning.reference)
        now.reference_s = time.monotonic() - start
        return rows

    def _fill_reference(self, rows: Sequence[Row], reference: str) -> None:
        """What losses compare with: where the run started, or the weights as they are."""
        if reference == "current" and self._settings.rule.compares:
            for name, own in self.cast.weights.items():
                mine = [row for row in rows if self.cast.weights_of[row.player] == name]
                fill_reference(mine, own.policy.model, self._settings, self.cast.acting)
            return
        with self.cast.reference() as model:
            if model is not None:
                fill_reference(rows, model, self._settings)

    def _window(self, generations: int) -> list[MatchRecord]:
        """The matches that an update learns from: of so many generations, the newest last; 0: of all."""
        return [record for batch in list(self._closed)[-generations:] for record in batch]

    def _configure(self, recipe: Recipe) -> None:
        """Let the learner follow the settings of this generation."""
        settings = learner_settings(recipe, self.cast)
        if settings != self._settings:
            self._settings = settings
            self.learner.configure(settings)

    def _overrides(self, generation: int) -> tuple[Recipe, Game]:
        """The recipe and game of this generation, with what the controllers want."""
        recipe = self._in_phase(generation)
        for controller in self._controllers:
            key, value, why = controller.override(generation)
            recipe = applied(recipe, self.game, key, value)
            if self._overridden.get(key) != value:
                self._overridden[key] = value
                self._writer.event(events.override(generation, key, value, why))
        game = make_game(recipe.game.id, recipe.game.settings) if recipe is not self.recipe else self.game
        return recipe, game

    def _in_phase(self, generation: int) -> Recipe:
        """The recipe with the settings of the run's phase."""
        phase = self._phases.current
        if phase is None:
            return self.recipe
        if phase.name != self._phase:
            self._phase = phase.name
            self._writer.event(events.phase(generation, phase.name, phase.set, self._phases.why))
        return with_settings(self.recipe, phase.set)

    # --------------------------------------------------------- after an update

    def _canary(self, generation: int, tasks: int, update: int = 0) -> ExamResult | None:
        """Measure held-out skill, log it, and keep the weights if they are the best so far."""
        exam = self.game.exam()
        if exam is None:
            return None
        player = Player(MAIN, self.cast.examined(exam.role), sampling_from(self.recipe.sampling_of(exam.role)))
        with self._average.in_place():
            result = evaluate(player, self.game, tasks=tasks, limits=self.recipe.limits.engine())
            self._writer.event(events.canary(generation, update, result.levels, result.mean))
            if self._snapshots.offer(generation, update, result):
                self._best_marks = result.levels
        return result

    def _log_metrics(self, stats: UpdateStats, canary: ExamResult | None) -> None:
        now = self._now
        wall = time.monotonic() - now.started
        self._totals.wall_s += wall
        numbers = health_metrics(now.records, stats, now.counts)
        for controller in self._controllers:
            numbers |= controller.measure(now.records)
        if canary is not None:
            numbers["canary/solve_rate"] = canary.mean
            numbers["canary/fall_p"] = fall_p(*_paired(canary.levels, self._best_marks))
        timing = {"generate_s": now.generate_s, "learn_s": stats.seconds + now.reference_s}
        timing["other_s"] = max(0.0, wall - sum(timing.values()))
        line = metrics_line(numbers, stats.update, now.number, self._totals, timing)
        self._writer.metrics(line)
        self._history.append(flatten(line))
        self._observe(now.number)

    def _observe(self, generation: int) -> None:
        """Show the newest metrics to all that folds over them."""
        for controller in self._controllers:
            controller.observe(generation, self._history[-1])
        self._phases.observe(generation, self._history[-1])

    def _act_on_health(self) -> None:
        for alarm in judge(self._history, self._rules):
            action = str(alarm.rule.action)
            self._writer.event(events.alarm(alarm.rule.metric, action, str(alarm), self._now.number))
            if action == "stop":
                self._checkpoint()
                raise HealthStop(f"health rule stopped the run after generation {self._now.number}: {alarm}")
            if action == "rollback":
                if self._snapshots.rollbacks >= self.recipe.limits.rollbacks:
                    self._checkpoint()
                    raise HealthStop(f"health: {alarm}, after {self._snapshots.rollbacks} rollbacks already")
                self._snapshots.roll_back()
                self.learner.forget()
                self._average.reset()

    def _checkpoint(self) -> None:
        folder = self._writer.folder
        path = folder.checkpoints / f"gen-{self.next - 1:04d}"
        if (path / "checkpoint.json").exists():
            return
        try:
            self.learner.save(path)
            self._average.save(path)
            save_state(self._credit, path)
        except Exception as error:  # torch and safetensors have errors of their own for a full disk
            raise cannot_write(path, error) from error
        self._writer.checkpoint(path, self.next - 1, self._version)
        self._salvage.forget(self.next - 1)
        self._snapshots.prune(self.recipe.schedule.keep_checkpoints)

    def _kept(self) -> dict[str, Kept]:
        """What snapshots hold: the examined role's weights first, those of other roles in folders of their names."""
        exam = self.game.exam()
        learning = [self.cast.player_of[role] for role, learns in self.cast.learns.items() if learns]
        first = self.cast.player_of[exam.role] if exam and self.cast.learns[exam.role] else learning[0]
        kept = {".": Kept(self.cast.weights[self.cast.weights_of[first]], first)}
        for player in learning:
            weights = self.cast.weights[self.cast.weights_of[player]]
            if weights.adapters is not None or weights is not kept["."].weights:
                kept.setdefault(player.partition("/")[0] if player != first else ".", Kept(weights, player))
        return kept

    def _set_version(self, update: int) -> None:
        """Number the weights; every reply says which ones it came from."""
        self._version = update
        for weights in self.cast.weights.values():
            weights.policy.weights_version = update

    # ------------------------------------------------------------------- resume

    def restore(self, generation: int, checkpoint: Any) -> None:
        """Go on after closed generation `generation`, whose learner was saved in folder `checkpoint`."""
        self.learner.load(checkpoint)
        self._average.load(checkpoint)
        self._credit = load_state(checkpoint)
        self.next = generation + 1
        for line in self._run.metrics():
            self._history.append(flatten(line))
            self._observe(line["generation"])
            self._totals = _Totals(line["matches"], line["moves"], line["tokens"], line["wall_s"])
            self._set_version(line["update"])
        self._phase = next((event["name"] for event in reversed(list(self._run.events("phase")))), "")
        for event in self._run.events("override"):
            self._overridden[event["key"]] = event["value"]
        for number in range(max(0, self.next - self._tasks.window), self.next):
            self._tasks.absorb(number, list(self._run.matches(number)))
        wanted = self._closed.maxlen
        for number in range(0 if wanted is None else max(0, self.next - wanted + 1), self.next):
            self._closed.append(sorted(self._run.matches(number), key=lambda record: record.pairing.number))
        self._best_marks = self._snapshots.restore(self._run)


def _learner(cast: Cast, settings: LearnerSettings) -> Learner:
    """One learner for each model that learns, together one."""
    members = {
        name: make_learner(weights.policy.model, weights.policy.tokenizer, settings, cast.acting)
        for name, weights in cast.weights.items()
    }
    return next(iter(members.values())) if len(members) == 1 else Team(members, cast.weights_of)


def _learns_now(every: int, generation: int) -> bool:
    return every > 0 and (generation + 1) % every == 0


def _paired(now: Mapping[str, Sequence[int]], best: Mapping[str, Sequence[int]]) -> tuple[list[int], list[int]]:
    """Marks of the same tasks then and now, as far as both have them."""
    pairs = [(a, b) for level in now for a, b in zip(now[level], best.get(level, ()), strict=False)]
    return [a for a, _ in pairs], [b for _, b in pairs]
