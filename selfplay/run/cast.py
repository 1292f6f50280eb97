"""The cast of a run: which player takes each role, which model learns, and what it is anchored to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from selfplay.errors import UsageError, comes_from
from selfplay.game import Game
from selfplay.learning.learner import Rule
from selfplay.policies.api import Endpoints
from selfplay.policies.hf import LocalPolicy
from selfplay.run.players import Setup, make_policy, model_policy
from selfplay.run.recipe import Recipe, SamplingSection
from selfplay.run.recipe_file import stages
from selfplay.types import Completion, Player, Policy, Request, Sampling

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from selfplay.policies.adapters import Adapters

MAIN = "main"
"""The weights that roles share, and the player that has them."""
ADAPTERS = "adapters"
"""The weights of all roles with adapters: one base model, which does not learn itself."""
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
class Weights:
    """One model that learns."""

    name: str
    """``main``, ``adapters``, or the role whose fork it is."""
    policy: LocalPolicy
    adapters: Adapters | None = None
    """What learns instead of the model itself."""

    def parameters(self) -> list[torch.nn.Parameter]:
        """What learns."""
        return list(self.policy.model.parameters()) if self.adapters is None else self.adapters.parameters()


@dataclass(slots=True)
class Cast:
    """Who plays a run."""

    weights: dict[str, Weights]
    """By name: all models that learn."""
    base: LocalPolicy | None
    """Where they started, never updated, if somebody needs it: a frozen role, a KL term."""
    meters: dict[str, Meter]
    """Around all learning policies."""
    players: dict[str, Player]
    player_of: dict[str, str]
    """Role -> player."""
    learns: dict[str, bool]
    """Role -> is it trained."""
    opponents: dict[str, tuple[str, float]]
    """Role -> a fixed player, and the share of matches in which it takes the role instead."""
    weights_of: dict[str, str]
    """Player that learns -> its weights."""
    endpoints: Endpoints
    """All that is outside this machine, and its account."""

    @property
    def busy_s(self) -> float:
        """Seconds that learning policies have spent on replies."""
        return sum(meter.busy_s for meter in self.meters.values())

    def examined(self, role: str) -> Policy:
        """The policy whose skill in `role` is the run's: the role's own, or the first that learns."""
        if self.learns[role]:
            return self.players[self.player_of[role]].policy
        return next(iter(self.weights.values())).policy

    def sampling_as(self, recipe: Recipe) -> dict[str, Player]:
        """The players, with the sampling settings of `recipe` in place of those they began with."""
        named = [*self.player_of.items(), *((role, name) for role, (name, _) in self.opponents.items())]
        sampling = {name: sampling_from(recipe.sampling_of(role)) for role, name in named}
        return {name: replace(player, sampling=sampling[name]) for name, player in self.players.items()}

    def acting(self, player: str) -> AbstractContextManager[None]:
        """Inside, the model behind a learning player has that player's adapter, if there are adapters."""
        adapters = self.weights[self.weights_of[player]].adapters
        return nullcontext() if adapters is None else adapters.active(player)

    @contextmanager
    def reference(self) -> Iterator[PreTrainedModel | None]:
        """The frozen base as a model; `None` if nobody needs it."""
        adapted = self.weights.get(ADAPTERS)
        if self.base is None:
            yield None
        elif adapted is None or adapted.adapters is None:
            yield self.base.model
        else:
            with adapted.adapters.active(None):
                yield self.base.model


def make_cast(recipe: Recipe, game: Game, root: str) -> Cast:
    """Load the models and name the players.

    Raises:
        UsageError: the recipe names players that do not exist, or trains on samples that cannot be trained on.
    """
    return _Casting(recipe, game, root).cast


class _Casting:
    """Builds a `Cast`, role by role."""

    def __init__(self, recipe: Recipe, game: Game, root: str) -> None:
        self._recipe = recipe
        section = recipe.policy
        endpoints = Endpoints(recipe.api.settings())
        self._setup = Setup(game, root, section.device, section.dtype, section.threads, section.batch_size, endpoints)
        kinds = {role: recipe.role(role).weights for role in game.roles if not recipe.role(role).player}
        learns = {role: kinds.get(role, "frozen") != "frozen" for role in game.roles}
        _check_sampling(recipe, [role for role, learning in learns.items() if learning])
        self.cast = Cast({}, None, {}, {}, {}, learns, {}, {}, endpoints)
        self._fixed: dict[str, Policy] = {}
        adapted = [role for role, kind in kinds.items() if kind == "adapter"]
        if "shared" in kinds.values():
            self._add_weights(MAIN, ())
        if adapted:
            self._add_weights(ADAPTERS, adapted)
        for role in (role for role, kind in kinds.items() if kind == "fork"):
            self._add_weights(role, ())
        if "frozen" in kinds.values() or needs_reference(recipe, [role for role in kinds if learns[role]]):
            self.cast.base = self.cast.weights[ADAPTERS].policy if adapted else self._load()
        for role in game.roles:
            self._give(role, kinds.get(role))

    def _load(self) -> LocalPolicy:
        with comes_from("policy.base of the recipe"):
            return model_policy(self._recipe.policy.base, self._setup)

    def _add_weights(self, name: str, adapted: Sequence[str]) -> None:
        weights = self.cast.weights[name] = Weights(name, self._load())
        if adapted:
            from selfplay.policies.adapters import Adapters, AdapterSettings

            section = self._recipe.adapter
            settings = AdapterSettings(section.rank, section.alpha, tuple(section.modules))
            weights.adapters = Adapters(weights.policy.model, adapted, settings, self._recipe.seed)

    def _give(self, role: str, kind: str | None) -> None:
        """Name the players of a role."""
        cast, chosen = self.cast, self._recipe.role(role)
        if kind is None:
            cast.player_of[role] = self._enter(role, chosen.player, self._fixed_policy(chosen.player))
        elif kind == "frozen":
            assert cast.base is not None
            cast.player_of[role] = self._enter(role, BASE, self._view(cast.base, None))
        else:
            home, own = {"shared": (MAIN, MAIN), "fork": (role, role), "adapter": (ADAPTERS, role)}[kind]
            name = cast.player_of[role] = self._enter(role, own, self._metered(home, own))
            cast.weights_of[name] = home
        if chosen.opponent:
            fixed = self._enter(role, chosen.opponent, self._fixed_policy(chosen.opponent))
            cast.opponents[role] = (fixed, chosen.opponent_share)

    def _metered(self, home: str, own: str) -> Meter:
        """The policy of some weights: one for all roles that share them, since the arena batches by policy."""
        if own not in self.cast.meters:
            self.cast.meters[own] = Meter(self._view(self.cast.weights[home].policy, own))
        return self.cast.meters[own]

    def _view(self, policy: LocalPolicy, adapter: str | None) -> Policy:
        """A model with one of its adapters, or without any; a model that has none as it is."""
        adapted = self.cast.weights.get(ADAPTERS)
        if adapted is None or adapted.adapters is None or policy is not adapted.policy:
            return policy
        from selfplay.policies.adapters import AdapterPolicy

        return AdapterPolicy(policy, adapted.adapters, adapter)

    def _fixed_policy(self, spec: str) -> Policy:
        if spec not in self._fixed:
            with comes_from("`player` in [roles] of the recipe"):
                self._fixed[spec] = make_policy(spec, self._setup)
        return self._fixed[spec]

    def _enter(self, role: str, name: str, who: Policy) -> str:
        if name != role and self._recipe.role(role).sampling is not None:
            name = f"{name}/{role}"
        self.cast.players[name] = Player(name, who, sampling_from(self._recipe.sampling_of(role)))
        return name


def needs_reference(recipe: Recipe, learning: Sequence[str]) -> bool:
    """Does something compare with where the weights started, in any phase?"""
    sections = [stage.role(role) for stage in stages(recipe) for role in learning]
    tags = [tag for section in sections for tag in section.tags.values()]
    rules = [stage.learning for stage in stages(recipe)]
    compared = any(Rule(rule.rule).compares and rule.reference == "base" for rule in rules)
    return compared or any(section.kl for section in sections) or any(tag.kl for tag in tags)


def sampling_from(section: SamplingSection) -> Sampling:
    """The recipe's sampling settings as the engine knows them."""
    return Sampling(section.temperature, section.top_p, section.top_k, section.max_tokens)


def _check_sampling(recipe: Recipe, learning: Sequence[str]) -> None:
    """What learns must sample from the very distribution that the learner sees."""
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
        raise UsageError(f"roles that learn must share a temperature, not {', '.join(map(str, sorted(temperatures)))}")
