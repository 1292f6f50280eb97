"""Controllers: settings that change as the run goes on.

A controller is a fold over the closed generations: it sees the metrics of every update, in order, and says what its
setting should be in the next generation. Changes are logged as ``override`` events; on resume the metrics log is folded
again, so nothing about controllers needs saving.

    schedule   a straight line from `start` to `end` over `generations`
    switch     `end` once the metric has reached `above`, `start` again once it has fallen to `below` (hysteresis)
    frontier   from `start` one `step` towards `end` whenever the metric was at least `above`, `patience` times in a
               row; never back (the easy-to-hard frontier of Self-Improving Transformers, arXiv 2502.01612)
    climb      steps between `start` and `end`: on while the metric rises, back when it falls, looking `patience` times
    balance    of `start`, `start` + `step`, .. `end` the threshold with the best balance score (`selfplay.run.balance`)

B-STaR is `balance` on the selection threshold with `climb` on ``sampling.temperature`` by ``balance/best``. The paper
samples at every temperature of a grid to choose one (it has a reward model to spend on that); a run has the replies of
one temperature at a time, so it climbs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from selfplay.errors import UsageError
from selfplay.run.balance import balance_scores, grid, name_of
from selfplay.run.recipe import ControllerSection
from selfplay.types import MatchRecord

LIVE_KEYS = re.compile(
    r"game\.settings\.\w+|roles\.\w+\.(weight|update_every)|sampling\.temperature|roles\.\w+\.sampling\.temperature"
)
"""Keys that may change in the middle of a run."""


class Override(NamedTuple):
    """What a controller wants."""

    key: str
    value: float
    why: str


class Controller:
    """A fold over the metrics of closed generations.

    Raises:
        UsageError: its settings contradict each other.
    """

    def __init__(self, settings: ControllerSection) -> None:
        self.settings = settings
        self.value = settings.start
        """For the next generation."""
        self.why = "start"

    def measure(self, records: Sequence[MatchRecord]) -> dict[str, float]:
        """Metrics of a closed generation that only this controller needs; they are logged with the others."""
        return {}

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        """Take note of a closed generation."""

    def override(self, generation: int) -> Override:
        """The setting for this generation."""
        return Override(self.settings.key, self.value, self.why)

    def refuse(self, expected: str) -> UsageError:
        """The error for settings that cannot work."""
        s = self.settings
        given = f"start {s.start:g}, end {s.end:g}, step {s.step:g}, above {s.above:g}, below {s.below:g}"
        return UsageError(f"controller for {s.key}: a {s.kind} needs {expected}; given: metric {s.metric!r}, {given}")


class Line(Controller):
    """`schedule`."""

    def override(self, generation: int) -> Override:
        s = self.settings
        share = min(1.0, generation / s.generations)
        return Override(s.key, s.start + (s.end - s.start) * share, f"schedule, generation {generation}")


class Switch(Controller):
    """`switch`."""

    def __init__(self, settings: ControllerSection) -> None:
        super().__init__(settings)
        if not settings.metric or settings.below > settings.above:
            raise self.refuse("a metric and below <= above")

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        s, seen = self.settings, metrics.get(self.settings.metric)
        if seen is None:
            return
        on = seen >= s.above if self.value == s.start else seen > s.below
        if self.value != (s.end if on else s.start):
            self.value = s.end if on else s.start
            self.why = f"{s.metric} was {seen:.4g} in generation {generation}"


class Frontier(Controller):
    """`frontier`."""

    def __init__(self, settings: ControllerSection) -> None:
        super().__init__(settings)
        if not settings.metric or not settings.step * (settings.end - settings.start) > 0:
            raise self.refuse("a metric, and a step that leads from start to end")
        self._streak = 0

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        s, seen = self.settings, metrics.get(self.settings.metric)
        if seen is None:
            return
        self._streak = self._streak + 1 if seen >= s.above else 0
        if self._streak >= s.patience:
            self._streak = 0
            self.value = within(self.value + s.step, s.start, s.end)
            self.why = f"{s.metric} was {seen:.4g} in generation {generation}"


class Climb(Controller):
    """`climb`."""

    def __init__(self, settings: ControllerSection) -> None:
        super().__init__(settings)
        if not settings.metric or not 0 < settings.step <= settings.end - settings.start:
            raise self.refuse("a metric, start < end, and a step above 0 that fits between them")
        self._seen: list[float] = []
        self._before: float | None = None
        self._step = settings.step

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        s, seen = self.settings, metrics.get(self.settings.metric)
        if seen is None:
            return
        self._seen.append(seen)
        if len(self._seen) < s.patience:
            return
        mean = sum(self._seen) / len(self._seen)
        if self._before is not None and mean < self._before:
            self._step = -self._step
        if within(self.value + self._step, s.start, s.end) == self.value:  # at the end of the road
            self._step = -self._step
        self._seen, self._before = [], mean
        self.value = within(self.value + self._step, s.start, s.end)
        self.why = f"{s.metric} was {mean:.4g} by generation {generation}"


class Balance(Controller):
    """`balance`."""

    def __init__(self, settings: ControllerSection) -> None:
        super().__init__(settings)
        if not 0 < settings.step <= settings.end - settings.start:
            raise self.refuse("start < end, and a step above 0 that fits between them")
        self._thresholds = grid(settings.start, settings.end, settings.step)

    def measure(self, records: Sequence[MatchRecord]) -> dict[str, float]:
        return balance_scores(records, self._thresholds, self.settings.wanted)

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        scores = {t: metrics[name_of(t)] for t in self._thresholds if name_of(t) in metrics}
        if scores:
            self.value = max(scores, key=lambda t: (scores[t], -t))  # of equals the lowest: it selects the most
            self.why = f"its balance score was {scores[self.value]:.4g} in generation {generation}"


def within(value: float, start: float, end: float) -> float:
    """`value`, or the end of the range that it has passed; free of the dust that adding steps leaves."""
    low, high = min(start, end), max(start, end)
    return min(high, max(low, round(value, 9)))


KINDS: dict[str, Callable[[ControllerSection], Controller]] = {
    "schedule": Line,
    "switch": Switch,
    "frontier": Frontier,
    "climb": Climb,
    "balance": Balance,
}


def make_controller(settings: ControllerSection) -> Controller:
    """The controller that a recipe describes.

    Raises:
        UsageError: its key cannot change during a run, or its settings contradict each other.
    """
    if not LIVE_KEYS.fullmatch(settings.key):
        raise UsageError(
            f"controllers.key = {settings.key!r} cannot change during a run\n"
            "  keys that can: game.settings.NAME, roles.NAME.weight, roles.NAME.update_every, sampling.temperature, "
            "roles.NAME.sampling.temperature"
        )
    return KINDS[settings.kind](settings)
