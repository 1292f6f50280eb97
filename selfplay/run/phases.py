"""Phases: stretches of a run under settings of their own.

A phase ends after so many generations, or once a metric has crossed a threshold often enough; then the next one begins,
or the one that `then` names. Two phases that name each other and end at different thresholds alternate with hysteresis
(train the solver until it wins 0.7, then the proposer until the solver is down to 0.3). A phase with no end is the
last one.

Like controllers, phases are a fold over the metrics of closed generations, so nothing about them needs saving; a new
phase begins with the next generation and is logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from selfplay.errors import UnknownName, UsageError
from selfplay.run.recipe import PhaseSection, Recipe

LIVE_KEYS = re.compile(
    r"game\.settings\.\w+|roles\.\w+(\.tags\.\w+)?\.(weight|kl|credit|group_by)|roles\.\w+\.update_every"
    r"|schedule\.(matches|replicas)|learning\.(rule|select|pairs|lr|epochs|minibatch|window|init)"
)
"""Keys that a phase may set."""


class Phases:
    """Where a run stands among its phases.

    Args:
        recipe: whose phases they are.

    Raises:
        UsageError: a phase that can never begin or end, that sets what cannot change during a run, or that contradicts
            a controller.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._phases = list(recipe.phases)
        _check(self._phases, [section.key for section in recipe.controllers])
        self._number = 0
        self._began = 0
        self._streak = 0
        self.why = "the first phase"

    @property
    def current(self) -> PhaseSection | None:
        """The phase of the next generation; `None` if the recipe has none."""
        return self._phases[self._number] if self._phases else None

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        """Take note of a closed generation."""
        phase = self.current
        if phase is None:
            return
        lasted = generation + 1 - self._began
        value = metrics.get(phase.metric) if phase.metric else None
        if value is not None:
            self._streak = self._streak + 1 if _crossed(phase, value) else 0
        if phase.generations and lasted >= phase.generations:
            self._go_on(generation, f"phase {phase.name} has lasted {lasted} generations")
        elif value is not None and self._streak >= phase.patience and lasted >= phase.at_least:
            self._go_on(generation, f"{phase.metric} was {value:.4g} in generation {generation}")

    def _go_on(self, generation: int, why: str) -> None:
        names = [phase.name for phase in self._phases]
        then = self._phases[self._number].then
        following = names.index(then) if then else self._number + 1
        if following < len(names):
            self._number, self._began, self._streak, self.why = following, generation + 1, 0, why


def _crossed(phase: PhaseSection, value: float) -> bool:
    return (phase.above is not None and value >= phase.above) or (phase.below is not None and value <= phase.below)


def _check(phases: Sequence[PhaseSection], controlled: Sequence[str]) -> None:
    names = [phase.name for phase in phases]
    if len({*names}) < len(names):
        raise UsageError(f"phases must have names of their own, not {', '.join(names)}")
    for number, phase in enumerate(phases):
        if phase.then and phase.then not in names:
            raise UnknownName("phase", phase.then, names, f"from `then` of phase {phase.name}")
        if bool(phase.metric) != (phase.above is not None or phase.below is not None):
            raise UsageError(f"phase {phase.name}: a metric goes with `above`, `below` or both")
        if phase.above is not None and phase.below is not None and phase.below >= phase.above:
            raise UsageError(
                f"phase {phase.name}: `above` {phase.above:g} and `below` {phase.below:g} end it whatever "
                f"{phase.metric} is\n  `below` must be less than `above`, or leave out one of them"
            )
        if not phase.metric and not phase.generations and (phase.then or number + 1 < len(phases)):
            raise UsageError(
                f"phase {phase.name} never ends, so what follows it never begins\n"
                "  give it `generations`, or a metric with `above` or `below`"
            )
        for setting in phase.set:
            key = setting.partition("=")[0].strip()
            if not LIVE_KEYS.fullmatch(key):
                raise UsageError(
                    f"phase {phase.name} sets {key!r}, which cannot change during a run\n"
                    "  what can: game.settings.NAME, roles.NAME.{weight, kl, credit, group_by, update_every}, "
                    "schedule.matches, schedule.replicas, "
                    "learning.{rule, select, pairs, lr, epochs, minibatch, window, init}"
                )
            if key in controlled:
                raise UsageError(f"{key} is set by phase {phase.name} and by a controller: one of them must go")
