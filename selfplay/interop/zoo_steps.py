"""Playing an environment of PettingZoo move by move: what its agents see, may do and are paid.

`reset`, `step` and `attempt` run foreign code and are meant to be called through `selfplay.interop.chance`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from selfplay.errors import GameError
from selfplay.game import Foul, Role
from selfplay.interop.words import Words
from selfplay.types import Move

LISTED = 250
"""At most so many legal moves are named in a prompt."""
BETWEEN = " | "


class View(NamedTuple):
    """What an environment shows the agent whose turn it is."""

    agent: Any
    observation: Any
    info: Mapping[str, Any]


class Chair:
    """An agent's seat during one match: what it may do now, what it did, and what it was paid."""

    def __init__(self, role: Role, seat: str, words: Words, env: Any, agent: Any) -> None:
        self.agent = agent
        self.seat = seat
        self.role = copy.copy(role)
        self.role.parse = self._parse
        self.moves: list[Move] = []
        self.paid = [0.0]
        """Before the first move, and after each."""
        self._words, self._env, self._space = words, env, env.action_space(agent)
        self._legal: dict[str, Any] = {}

    def look(self, observation: Any, info: Mapping[str, Any]) -> str:
        """What the seat is told now.

        Raises:
            GameError: the environment offers no legal move, or gives two the same name.
        """
        words, agent, mask = self._words, self.agent, info.get("action_mask")
        if isinstance(observation, dict) and "action_mask" in observation:
            mask = observation["action_mask"]
            rest = {key: value for key, value in observation.items() if key != "action_mask"}
            observation = rest["observation"] if rest.keys() == {"observation"} else rest
        told = words.see(self._env, agent, observation)
        if not hasattr(self._space, "n"):
            return told
        actions = _legal(self._space, mask)
        names = [words.name(self._env, agent, action) for action in actions]
        self._legal = dict(zip([name.casefold() for name in names], actions, strict=True))
        if not actions or len(self._legal) < len(actions):
            raise GameError(f"{agent} has {len(actions)} legal moves with {len(self._legal)} names: {names[:10]}")
        title = "Moves" if len(names) <= LISTED else f"Moves ({LISTED} of {len(names)})"
        return f"{told}\n{title}: {BETWEEN.join(names[:LISTED])}"

    def _parse(self, text: str) -> Any:
        if not hasattr(self._space, "n"):
            if text in self._space:
                return text
            raise Foul(f"texts of {self._space.min_length} to {self._space.max_length} characters are taken")
        action = self._legal.get(text.strip().removesuffix(".").casefold())
        if action is None:
            raise Foul(f"{text[:40]!r} is not among the legal moves.")
        return action


def seats_of(agents: Iterable[Any]) -> dict[Any, str]:
    """Agent -> seat: agents that differ in their number only hold one role."""
    roles = {agent: re.sub(r"[\W_]*\d*$|\W", "", str(agent)) or "agent" for agent in agents}
    named = list(roles.values())
    seats: dict[Any, str] = {}
    for agent, role in roles.items():
        number = sum(seat.partition("#")[0] == role for seat in seats.values()) + 1
        seats[agent] = role if named.count(role) == 1 else f"{role}#{number}"
    return seats


def _legal(space: Any, mask: Any) -> list[int]:
    start, count = int(space.start), int(space.n)
    if mask is None:
        return list(range(start, start + count))
    allowed = mask.tolist() if hasattr(mask, "tolist") else list(mask)
    if len(allowed) != count:
        raise GameError(f"the action mask has {len(allowed)} entries for {count} actions")
    return [start + number for number, legal in enumerate(allowed) if legal]


def chair_of(chairs: Mapping[Any, Chair], agent: Any) -> Chair:
    if agent not in chairs:
        raise GameError(f"the environment brought in {agent!r}, which is not among its possible agents {list(chairs)}")
    return chairs[agent]


def reset(env: Any, seed: int, chairs: Mapping[Any, Chair]) -> View | None:
    env.reset(seed=seed)
    return _next(env, chairs)


def step(env: Any, move: Move, chairs: Mapping[Any, Chair]) -> View | None:
    attempt(env, move.value)
    return _next(env, chairs)


def _next(env: Any, chairs: Mapping[Any, Chair]) -> View | None:
    """The next agent that is to move, after paying it and all that are done; `None`: everybody is done."""
    while env.agents:
        agent = env.agent_selection
        observation, payment, terminated, truncated, info = env.last()
        chair_of(chairs, agent).paid[-1] += float(payment)
        if not (terminated or truncated):
            return View(agent, observation, info)
        env.step(None)
    return None


def attempt(env: Any, action: Any) -> Any:
    """``env.step(action)``; says what was done if it raises."""
    try:
        return env.step(action)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise GameError(
            f"{env} refused {action!r}, which by its action mask is legal (all are where it gives none): {said}; "
            "where not all moves are legal, its observations or infos must have an 'action_mask' that says which are"
        ) from error


def bare(env: Any) -> Any:
    """The environment without PettingZoo's wrappers that watch for illegal moves, which nobody makes here.

    They would be half of what a move costs. Other wrappers stay.
    """
    from pettingzoo.utils import wrappers

    guards = (wrappers.OrderEnforcingWrapper, wrappers.AssertOutOfBoundsWrapper, wrappers.TerminateIllegalWrapper)
    while type(env) in guards:
        env = env.env
    return env
