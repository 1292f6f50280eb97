"""What a recipe describes, built: game, cast, task sources, controllers, and the rules of learning.

All of it is made before a run has a folder, so that whatever is wrong with a recipe is found before anything starts.
"""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.errors import UnknownName, UsageError, comes_from
from selfplay.game import Game
from selfplay.games import make_game
from selfplay.learning.credit import CreditRule
from selfplay.learning.health import check_metric
from selfplay.learning.learner import LearnerSettings
from selfplay.run.cast import Cast, make_cast
from selfplay.run.controllers import Controller, make_controller
from selfplay.run.recipe import Recipe
from selfplay.run.sources import Tasks


@dataclass(slots=True)
class Parts:
    """Built from a recipe and found sound."""

    game: Game
    cast: Cast
    tasks: Tasks
    controllers: list[Controller]
    learning: LearnerSettings

    @classmethod
    def of(cls, recipe: Recipe, root: str) -> Parts:
        """Build them.

        Args:
            recipe: resolved.
            root: where other runs are looked for.

        Raises:
            UsageError: whatever is wrong with the recipe.
        """
        with comes_from("[game] of the recipe"):
            game = make_game(recipe.game.id, recipe.game.settings)
        _check_controllers(recipe, game)
        _check_health(recipe, game)
        controllers = [make_controller(section) for section in recipe.controllers]
        credit_rules(recipe, game)
        cast = make_cast(recipe, game, root)
        return cls(game, cast, Tasks(recipe.tasks, recipe.seed), controllers, learner_settings(recipe, cast))


def credit_rules(recipe: Recipe, game: Game) -> dict[str, CreditRule]:
    """Role -> how its rewards become advantages.

    Raises:
        UnknownName: no such estimator.
    """
    sections = {role: recipe.role(role) for role in game.roles}
    return {role: CreditRule(s.credit, s.group_by, s.weight) for role, s in sections.items()}  # type: ignore[arg-type]


def learner_settings(recipe: Recipe, cast: Cast) -> LearnerSettings:
    """The recipe's learning rule in the learner's own terms.

    Raises:
        UsageError: a value that cannot work.
    """
    import torch

    section, model = recipe.learning, cast.policy.model
    learning = [role for role, on in cast.learns.items() if on]
    return LearnerSettings(
        kind=section.learner,  # type: ignore[arg-type]
        loss=section.loss,  # type: ignore[arg-type]
        lr=section.lr,
        betas=section.betas,
        weight_decay=section.weight_decay,
        max_grad_norm=section.max_grad_norm,
        epsilon_low=section.epsilon_low,
        epsilon_high=section.epsilon_high,
        kl={role: recipe.role(role).kl for role in learning if recipe.role(role).kl > 0},
        temperature=recipe.sampling_of(learning[0]).temperature,
        micro_tokens=section.micro_tokens,
        warmup_updates=min(section.warmup_updates, recipe.schedule.generations // 2),  # short runs have room for both
        total_updates=recipe.schedule.generations,
        schedule=section.schedule,  # type: ignore[arg-type]
        bf16=model.dtype != torch.float32 and model.device.type != "cpu",
    )


def _check_health(recipe: Recipe, game: Game) -> None:
    for rule in recipe.health:
        check_metric(rule.metric, game.roles)
        if (rule.action == "rollback" or rule.metric.startswith("canary/")) and game.exam() is None:
            raise UsageError(
                f"health rule on {rule.metric} ({rule.action}): game {game.name()} has no held-out tasks to judge by\n"
                "  give it an `exam` method (docs/writing-a-game.md)"
            )


def _check_controllers(recipe: Recipe, game: Game) -> None:
    for section in recipe.controllers:
        if section.metric:
            check_metric(section.metric, game.roles)
        *_, owner, name = section.key.split(".")
        if owner == "settings" and name not in game.setting_types():
            raise UnknownName(f"setting of game {game.name()}", name, game.setting_types(), "from [[controllers]]")
        if section.key.startswith("roles.") and owner not in game.roles:
            raise UnknownName(f"role of game {game.name()}", owner, game.roles, "from [[controllers]]")
