"""The cast of a run: which player takes each role, which model learns, and what it is anchored to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from selfplay.errors import UnknownName, UsageError, comes_from
from selfplay.game import Game
from selfplay.policies.hf import LocalPolicy
from selfplay.run.players import Setup, make_policy, model_policy
from selfplay.run.recipe import Recipe, SamplingSection
from selfplay.types import Completion, Player, Policy, Request, Sampling

MAIN = "main"
"""The player that learns."""
BASE = "base"
"""The model the run started from, frozen."""


class Meter:
    """A policy that knows how long it has worked."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.busy_s = 0.0

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """As the policy's own."""
        start = time.monotonic()
        try:
            return self._policy.complete(requests)
        finally:
            self.busy_s += time.monotonic() - start


@dataclass(slots=True)
class Cast:
    """Who plays a run."""

    policy: LocalPolicy
    """The learning model."""
    base: LocalPolicy | None
    """A frozen copy of where it started, if somebody needs it: a frozen role, a KL term."""
    meter: Meter
    """Around the learning model."""
    players: dict[str, Player]
    player_of: dict[str, str]
    """Role -> player."""
    learns: dict[str, bool]
    """Role -> is it trained."""
    opponents: dict[str, tuple[str, float]]
    """Role -> a fixed player, and the share of matches in which it takes the role instead."""


def make_cast(recipe: Recipe, game: Game, root: str) -> Cast:
    """Load the models and name the players.

    Raises:
        UsageError: the recipe names roles or players that do not exist, or trains on samples that cannot be trained on.
    """
    for role in recipe.roles:
        if role not in game.roles:
            raise UnknownName(f"role of game {game.name()}", role, game.roles, "from [roles] of the recipe")
    learns = {r: recipe.role(r).weights == "shared" and not recipe.role(r).player for r in game.roles}
    _check_sampling(recipe, [role for role, learning in learns.items() if learning])
    section = recipe.policy
    setup = Setup(game, root, section.device, section.dtype, section.threads, section.batch_size)
    with comes_from("policy.base of the recipe"):
        policy = model_policy(section.base, setup)
    frozen = [r for r in game.roles if recipe.role(r).weights == "frozen" and not recipe.role(r).player]
    anchored = any(recipe.role(r).kl > 0 for r, learning in learns.items() if learning)
    base = model_policy(section.base, setup) if frozen or anchored else None
    meter = Meter(policy)
    cast = Cast(policy, base, meter, {}, {}, learns, {})
    others: dict[str, Policy] = {}

    def fixed(spec: str) -> Policy:
        if spec not in others:
            with comes_from("`player` in [roles] of the recipe"):
                others[spec] = make_policy(spec, setup)
        return others[spec]

    def enter(role: str, name: str, who: Policy) -> str:
        name = name if recipe.role(role).sampling is None else f"{name}/{role}"
        cast.players[name] = Player(name, who, sampling_from(recipe.sampling_of(role)))
        return name

    for role in game.roles:
        chosen = recipe.role(role)
        if chosen.player:
            cast.player_of[role] = enter(role, chosen.player, fixed(chosen.player))
        elif role in frozen:
            assert base is not None
            cast.player_of[role] = enter(role, BASE, base)
        else:
            cast.player_of[role] = enter(role, MAIN, meter)
        if chosen.opponent:
            cast.opponents[role] = (enter(role, chosen.opponent, fixed(chosen.opponent)), chosen.opponent_share)
    return cast


def sampling_from(section: SamplingSection) -> Sampling:
    """The recipe's sampling settings as the engine knows them."""
    return Sampling(section.temperature, section.top_p, section.top_k, section.max_tokens)


def _check_sampling(recipe: Recipe, learning: Sequence[str]) -> None:
    """What learns must sample from the very distribution that the learner sees."""
    if not learning:
        raise UsageError(
            "no role learns: every role is frozen or played by a fixed player\n  use `selfplay eval` to test"
        )
    temperatures = set()
    for role in learning:
        sampling = recipe.sampling_of(role)
        temperatures.add(sampling.temperature)
        if sampling.top_p < 1.0 or sampling.top_k or sampling.temperature == 0.0:
            raise UsageError(
                f"role {role} learns, but samples with temperature {sampling.temperature:g}, top_p {sampling.top_p:g}, "
                f"top_k {sampling.top_k}: its probabilities would not be those that were sampled from\n"
                "  use a temperature above 0, top_p = 1 and top_k = 0 for roles that learn"
            )
    if len(temperatures) > 1:
        raise UsageError(
            f"roles that share weights must share a temperature, not {', '.join(map(str, sorted(temperatures)))}"
        )
