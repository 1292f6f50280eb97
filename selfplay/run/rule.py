"""What the recipe says is learned from: by which credit, which replies, and whose rows they are."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import TYPE_CHECKING

from selfplay.errors import UsageError, comes_from
from selfplay.game import Game
from selfplay.learning.candidates import Choice
from selfplay.learning.credit import CreditRule
from selfplay.learning.learner import Rule
from selfplay.learning.material import Home, check_choice
from selfplay.run.recipe import LearningSection, Recipe

if TYPE_CHECKING:
    from selfplay.run.cast import Cast

USED_BY = {
    "select": (Rule.SFT, Rule.KTO),
    "pairs": (Rule.DPO,),
    "nll": (Rule.DPO,),
}
"""Settings that only some rules read."""


def choice_of(section: LearningSection) -> Choice:
    """What the rule learns from."""
    return Choice(
        tuple(section.select), section.pairs, section.threshold, section.per_prompt, section.tier, section.weighted
    )


def homes(cast: Cast, game: Game, resting: Container[str]) -> dict[str, Home]:
    """By role, who learns from its rows; without those that rest or never learn."""
    learning = [role for role, on in cast.learns.items() if on and role not in resting]
    players = {role: cast.player_of[role] for role in learning}
    return {
        role: Home(player, cast.weights[cast.weights_of[player]].policy.chat, game.roles[role].instructions)
        for role, player in players.items()
    }


def check_rule(recipe: Recipe) -> None:
    """Raises: UsageError: settings that contradict the rule, or that it would silently ignore."""
    section, rule = recipe.learning, Rule(recipe.learning.rule)
    check_choice(rule, choice_of(section))
    for name, rules in USED_BY.items():
        if rule not in rules and getattr(section, name) != LearningSection.model_fields[name].get_default(
            call_default_factory=True
        ):
            raise UsageError(
                f"learning.{name} is {getattr(section, name)!r}, but learning.rule = {rule.value!r} does not read it\n"
                f"  it belongs to {', '.join(repr(r.value) for r in rules)}"
            )
    anchored = sorted(role for role, own in recipe.roles.items() if own.kl > 0)
    if anchored and rule is not Rule.POLICY_GRADIENT:
        raise UsageError(
            f"roles.{anchored[0]}.kl is {recipe.role(anchored[0]).kl:g} with learning.rule = {rule.value!r}; only "
            "'policy_gradient' has a KL term\n  remove it" + ("; learning.beta does its work" if rule.compares else "")
        )


def credit_rules(recipe: Recipe, game: Game) -> dict[str, CreditRule]:
    """Role, or role/tag -> how its rewards become advantages.

    Raises:
        UnknownName: no such estimator.
    """
    rules: dict[str, CreditRule] = {}
    for role in game.roles:
        section = recipe.role(role)
        numbers = (section.weight, section.baseline_decay, section.return_discount, section.return_bounds)
        with comes_from(f"[roles.{role}] of the recipe"):
            own = rules[role] = CreditRule(section.credit, section.group_by, *numbers)  # type: ignore[arg-type]
            for name, tag in section.tags.items():
                given = {"estimator": tag.credit, "group_by": tag.group_by, "weight": tag.weight}
                rules[f"{role}/{name}"] = replace(own, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    return rules
