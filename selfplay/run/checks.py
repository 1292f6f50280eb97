"""What a recipe must not say, as far as that can be told without its models and data.

Before a run, and by ``selfplay league --dry-run``. What needs a model is found by `selfplay.run.parts`.
"""

from __future__ import annotations

from selfplay.errors import UnknownName, UsageError, comes_from
from selfplay.game import Game
from selfplay.games import make_game
from selfplay.learning.health import check_metric
from selfplay.run.phases import Phases
from selfplay.run.recipe import Recipe
from selfplay.run.recipe_file import stages
from selfplay.run.rule import check_rule, credit_rules
from selfplay.run.sandboxes import backend_of
from selfplay.run.schedules import make_controllers


def check_recipe(recipe: Recipe, game: Game) -> None:
    """Raises: UsageError: a name that nobody knows, a setting that cannot work, settings that contradict each other."""
    _check_health(recipe, game)
    backend_of(recipe.sandbox)
    make_controllers(recipe, game)
    Phases(recipe)
    for phase in recipe.phases:
        if phase.metric:
            check_metric(phase.metric, game.roles)
    for stage in stages(recipe):
        _check_settings(stage, game)


def _check_settings(recipe: Recipe, game: Game) -> None:
    for role in recipe.roles:
        if role not in game.roles:
            raise UnknownName(f"role of game {game.name()}", role, game.roles, "from [roles] of the recipe")
        section = recipe.role(role)
        if section.weights == "frozen" and section.update_every != 1:
            raise UsageError(
                f"roles.{role}.update_every = {section.update_every} with weights = 'frozen': nothing is ever updated\n"
                "  leave out one of them"
            )
    with comes_from("[game] of the recipe"):
        make_game(recipe.game.id, recipe.game.settings)
    check_rule(recipe)
    rules, learning = credit_rules(recipe, game), recipe.learning
    remembering = [kind for kind, rule in rules.items() if rule.estimator == "role_baseline"]
    if remembering and learning.window != 1:
        raise UsageError(
            f"learning.window = {learning.window} with credit = 'role_baseline' of {', '.join(remembering)}: that "
            "baseline counts every match once\n  use window = 1, or another estimator"
        )
    if learning.schedule == "linear" and learning.minibatch:
        raise UsageError(
            "learning.schedule = 'linear' needs to know how many optimiser steps there will be, and with "
            "learning.minibatch nobody does\n  use schedule = 'constant', or minibatch = 0"
        )


def _check_health(recipe: Recipe, game: Game) -> None:
    for rule in recipe.health:
        check_metric(rule.metric, game.roles)
        if (rule.action == "rollback" or rule.metric.startswith("canary/")) and game.exam() is None:
            raise UsageError(
                f"health rule on {rule.metric} ({rule.action}): game {game.name()} has no held-out tasks to judge by\n"
                "  give it an `exam` method (docs/writing-a-game.md)"
            )
