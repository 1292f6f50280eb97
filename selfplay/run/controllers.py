"""Controllers: settings that change as the run goes on.

A controller is a fold over the closed generations: it sees the metrics of every update, in order, and says what its
setting should be in the next generation. Changes are logged as ``override`` events; on resume the metrics log is folded
again, so nothing about controllers needs saving.

    schedule   a straight line from `start` to `end` over `generations`
    switch     `end` once the metric has reached `above`, `start` again once it has fallen to `below` (hysteresis)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from selfplay.errors import UsageError
from selfplay.run.recipe import ControllerSection

LIVE_KEYS = re.compile(r"game\.settings\.\w+|roles\.\w+\.(weight|update_every)")
"""Keys that may change in the middle of a run."""


class Override(NamedTuple):
    """What a controller wants."""

    key: str
    value: float
    why: str


class Controller(Protocol):
    """A fold over the metrics of closed generations."""

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        """Take note of a closed generation."""

    def override(self, generation: int) -> Override:
        """The setting for this generation."""


class Line:
    """`schedule`."""

    def __init__(self, settings: ControllerSection) -> None:
        self._settings = settings

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        pass

    def override(self, generation: int) -> Override:
        s = self._settings
        share = min(1.0, generation / s.generations)
        return Override(s.key, s.start + (s.end - s.start) * share, f"schedule, generation {generation}")


class Switch:
    """`switch`."""

    def __init__(self, settings: ControllerSection) -> None:
        if not settings.metric or settings.below > settings.above:
            raise UsageError(
                f"controller for {settings.key}: a switch needs a metric and below <= above, "
                f"not {settings.metric!r}, {settings.below:g} and {settings.above:g}"
            )
        self._settings = settings
        self._on = False
        self._why = "start"

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        s, value = self._settings, metrics.get(self._settings.metric)
        if value is None:
            return
        if (not self._on and value >= s.above) or (self._on and value <= s.below):
            self._on = not self._on
            self._why = f"{s.metric} was {value:.4g} in generation {generation}"

    def override(self, generation: int) -> Override:
        return Override(self._settings.key, self._settings.end if self._on else self._settings.start, self._why)


KINDS: dict[str, Callable[[ControllerSection], Controller]] = {"schedule": Line, "switch": Switch}


def make_controller(settings: ControllerSection) -> Controller:
    """The controller that a recipe describes.

    Raises:
        UsageError: its key cannot change during a run, or its settings contradict each other.
    """
    if not LIVE_KEYS.fullmatch(settings.key):
        raise UsageError(
            f"controllers.key = {settings.key!r} cannot change during a run\n"
            "  keys that can: game.settings.NAME, roles.NAME.weight, roles.NAME.update_every"
        )
    return KINDS[settings.kind](settings)
