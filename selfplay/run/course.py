"""The course of a run: under which settings each generation is played and learned from, as phases and controllers say.

Both are folds over the metrics of closed generations, so a resumed run takes the same course.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from selfplay.game import Game
from selfplay.games import make_game
from selfplay.record import events
from selfplay.record.events import Event
from selfplay.record.run import Run
from selfplay.run.controllers import Controller
from selfplay.run.phases import Phases
from selfplay.run.recipe import Recipe
from selfplay.run.recipe_file import with_settings
from selfplay.run.schedules import applied
from selfplay.types import MatchRecord


class Course:
    """Where a run stands on its course.

    Args:
        recipe: of the run.
        game: made from it.
        controllers: in the order in which they are applied, after the phase.
        phases: of the recipe.
    """

    def __init__(self, recipe: Recipe, game: Game, controllers: Sequence[Controller], phases: Phases) -> None:
        self._recipe, self._game, self._controllers, self._phases = recipe, game, controllers, phases
        self._phase = ""
        self._overridden: dict[str, Any] = {}

    def at(self, generation: int) -> tuple[Recipe, Game, list[Event]]:
        """Recipe and game of this generation, and what is new about them."""
        recipe, news = self._recipe, list[Event]()
        if (phase := self._phases.current) is not None:
            if phase.name != self._phase:
                self._phase = phase.name
                news.append(events.phase(generation, phase.name, phase.set, self._phases.why))
            recipe = with_settings(recipe, phase.set)
        for controller in self._controllers:
            key, value, why = controller.override(generation)
            recipe = applied(recipe, self._game, key, value)
            if self._overridden.get(key) != value:
                self._overridden[key] = value
                news.append(events.override(generation, key, value, why))
        game = self._game if recipe is self._recipe else make_game(recipe.game.id, recipe.game.settings)
        return recipe, game, news

    def measure(self, records: Sequence[MatchRecord]) -> dict[str, float]:
        """Metrics that only controllers need."""
        return {name: value for each in self._controllers for name, value in each.measure(records).items()}

    def observe(self, generation: int, metrics: Mapping[str, float]) -> None:
        """Take note of a closed generation."""
        for fold in self._folds():
            fold.observe(generation, metrics)

    def restore(self, run: Run) -> None:
        """Know what has been logged already; metrics come through `observe`."""
        for event in run.events("phase"):
            self._phase = event["name"]
        for event in run.events("override"):
            self._overridden[event["key"]] = event["value"]

    def _folds(self) -> Iterator[Controller | Phases]:
        yield from self._controllers
        yield self._phases
