"""Schedules: who learns when, and which settings change on the way; contradictions are found before anything starts.

A recipe says it in three places: ``roles.X.update_every``, ``[[controllers]]``, ``[[phases]]``. Phases check themselves
(`selfplay.run.phases`); here is what a controller must not be, and what nobody would notice for hours: a run in which
no role ever learns.
"""

from __future__ import annotations

from collections import Counter

from selfplay.errors import UnknownName, UsageError, comes_from
from selfplay.game import Game
from selfplay.games import make_game
from selfplay.learning.health import check_metric
from selfplay.learning.learner import Rule
from selfplay.run.controllers import Controller, make_controller
from selfplay.run.recipe import ControllerSection, Recipe
from selfplay.run.recipe_file import changed, stages

TEMPERATURE = "sampling.temperature"


def applied(recipe: Recipe, game: Game, key: str, value: float) -> Recipe:
    """The recipe with a controller's value in it, as a whole number where the setting is one.

    Raises:
        UsageError: the setting does not take this value.
    """
    *_, owner, name = key.split(".")
    current = getattr(game, name, None) if owner == "settings" else getattr(recipe.role(owner), name, None)
    whole = isinstance(current, int) and not isinstance(current, bool)
    return changed(recipe, key, round(value) if whole else value)


def make_controllers(recipe: Recipe, game: Game) -> list[Controller]:
    """The controllers of a recipe, in its order.

    Raises:
        UsageError: one of them cannot work, two of them contradict each other, or no role ever learns.
    """
    controllers = [make_controller(section) for section in recipe.controllers]
    for section in recipe.controllers:
        with comes_from(f"[[controllers]] for {section.key}"):
            _check(section, recipe, game)
    for what, times in Counter(section.key for section in recipe.controllers).items():
        if times > 1:
            raise UsageError(f"{times} controllers change {what}: which one holds? Leave one of them")
    if sum(section.kind == "balance" for section in recipe.controllers) > 1:
        raise UsageError("several controllers are of kind 'balance': there is one balance score, for one threshold")
    _check_that_somebody_learns(recipe, game)
    return controllers


def _check(section: ControllerSection, recipe: Recipe, game: Game) -> None:
    """Names exist, values are taken, and what would be changed has an effect."""
    if section.metric:
        check_metric(section.metric, game.roles)
    if section.metric.startswith("balance/") and all(other.kind != "balance" for other in recipe.controllers):
        raise UsageError(f"{section.metric} is measured only for a controller of kind 'balance', and there is none")
    path = section.key.split(".")
    place, owner, name = path[0], path[1], path[-1]
    if place == "game" and name not in game.setting_types():
        raise UnknownName(f"setting of game {game.name()}", name, game.setting_types())
    if place == "roles":
        if owner not in game.roles:
            raise UnknownName(f"role of game {game.name()}", owner, game.roles)
        if name != "temperature" and not _may_learn(recipe, owner):
            raise UsageError(f"role {owner} is frozen or played by a fixed player: changing its {name} changes nothing")
    if section.key.endswith(TEMPERATURE):
        _check_temperature(section, recipe)
    for value in (section.start, section.end):
        settings = applied(recipe, game, section.key, value).game.settings
        make_game(recipe.game.id, settings)


def _check_temperature(section: ControllerSection, recipe: Recipe) -> None:
    rewarded = [stage.learning.rule for stage in stages(recipe) if Rule(stage.learning.rule).rewarded]
    if rewarded:
        raise UsageError(
            f"{section.key} cannot change while learning.rule is {rewarded[0]!r}: its learner computes probabilities "
            "at the one temperature it was built for\n  use learning.rule = 'sft' (B-STaR), 'dpo' or 'kto'"
        )
    if not min(section.start, section.end) > 0:
        raise UsageError(f"temperatures go from {section.start:g} to {section.end:g}; above 0 was expected")
    owner = section.key.split(".")[1]
    if section.key != TEMPERATURE and recipe.role(owner).sampling is None:
        raise UsageError(f"role {owner} has no sampling settings of its own: change {TEMPERATURE} instead")


def _check_that_somebody_learns(recipe: Recipe, game: Game) -> None:
    """Raises: UsageError: every role that could learn rests in every update of the run."""
    changing = {section.key for section in recipe.controllers}
    changing |= {setting.partition("=")[0].strip() for phase in recipe.phases for setting in phase.set}
    every = {role: recipe.role(role).update_every for role in game.roles if _may_learn(recipe, role)}
    generations = recipe.schedule.generations
    if not every:
        raise UsageError(
            "no role learns: every role is frozen or played by a fixed player\n  use `selfplay eval` to test"
        )
    if any(f"roles.{role}.update_every" in changing or 0 < k <= generations for role, k in every.items()):
        return
    given = ", ".join(f"roles.{role}.update_every = {k}" for role, k in every.items())
    raise UsageError(
        f"no role ever learns in the {generations} generations of this run: {given}\n"
        "  a role learns in every k-th update; 0 means never"
    )


def _may_learn(recipe: Recipe, role: str) -> bool:
    section = recipe.role(role)
    always_replaced = bool(section.opponent) and section.opponent_share == 1.0
    return section.weights != "frozen" and not section.player and not always_replaced
