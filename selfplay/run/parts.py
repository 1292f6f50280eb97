"""What a recipe describes, built: game, cast, task sources, controllers, and the settings of learning.

All of it is made before a run has a folder, so that whatever is wrong with a recipe is found before anything starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from selfplay.errors import comes_from
from selfplay.game import Game
from selfplay.games import make_game
from selfplay.learning.learner import LearnerSettings, Rule
from selfplay.run.cast import Cast, make_cast
from selfplay.run.checks import check_recipe
from selfplay.run.controllers import Controller
from selfplay.run.phases import Phases
from selfplay.run.recipe import Recipe
from selfplay.run.recipe_file import stages
from selfplay.run.schedules import make_controllers
from selfplay.run.sources import Tasks


@dataclass(slots=True)
class Parts:
    """Built from a recipe and found sound."""

    game: Game
    cast: Cast
    tasks: Tasks
    controllers: list[Controller]
    phases: Phases
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
        check_recipe(recipe, game)
        cast = make_cast(recipe, game, root)
        deals = max(-(-stage.schedule.matches // stage.schedule.replicas) for stage in stages(recipe))
        tasks = Tasks(recipe.tasks, recipe.seed, deals)
        return cls(game, cast, tasks, make_controllers(recipe, game), Phases(recipe), learner_settings(recipe, cast))


def learner_settings(recipe: Recipe, cast: Cast) -> LearnerSettings:
    """The recipe's learning rule in the learner's own terms.

    Raises:
        UsageError: a value that cannot work.
    """
    import torch

    section, model = recipe.learning, next(iter(cast.weights.values())).policy.model
    learning = [role for role, on in cast.learns.items() if on]
    updates = recipe.schedule.generations * section.epochs
    return LearnerSettings(
        kind=section.learner,  # type: ignore[arg-type]
        rule=section.rule,  # type: ignore[arg-type]
        loss=section.loss,  # type: ignore[arg-type]
        lr=section.lr,
        betas=section.betas,
        weight_decay=section.weight_decay,
        max_grad_norm=section.max_grad_norm,
        epsilon_low=section.epsilon_low,
        epsilon_high=section.epsilon_high,
        kl=kl_coefficients(recipe, learning),
        beta=section.beta,
        nll=section.nll,
        example_weight=section.example_weight,
        temperature=recipe.sampling_of(learning[0]).temperature if Rule(section.rule).rewarded else 1.0,
        micro_tokens=section.micro_tokens,
        warmup_updates=min(section.warmup_updates, updates // 2),  # short runs have room for both
        total_updates=updates,
        schedule=section.schedule,  # type: ignore[arg-type]
        bf16=model.dtype != torch.float32 and model.device.type != "cpu",
    )


def kl_coefficients(recipe: Recipe, roles: Iterable[str]) -> dict[str, float]:
    """By ``role`` or ``role/tag``; those of 0 only where a role's own would apply otherwise."""
    out: dict[str, float] = {}
    for role in roles:
        section = recipe.role(role)
        if section.kl > 0:
            out[role] = section.kl
        out |= {f"{role}/{name}": tag.kl for name, tag in section.tags.items() if tag.kl is not None}
    return out


def begins_again(recipe: Recipe) -> bool:
    """Does some update start from the base again?"""
    return any(stage.learning.init == "base" for stage in stages(recipe))


def widest_window(recipe: Recipe) -> int | None:
    """The largest number of generations that an update learns from; `None`: all."""
    windows = [stage.learning.window for stage in stages(recipe)]
    return None if 0 in windows else max(windows)
