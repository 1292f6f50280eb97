"""PettingZoo's environments as Games: the class behind `from_pettingzoo`.

Agents become seats: ``player_1`` and ``player_2`` are `player#1` and `player#2`, ``speaker_0`` is the role `speaker`.
A seat is shown what its agent observes and the legal moves by name, and replies with one of them; anything else is a
foul. Legal are the moves of the action mask, in the observation or the info. Without a mask every action of a discrete
space is legal; an environment that then refuses one ends the match as an error, for nobody can tell whose fault it was.

Each match has an environment to itself, reset with a seed from `match.rng`, and whatever it draws from global
generators is lent to it (`selfplay.interop.chance`); so replay, rescore and fork work by stepping one again.

A move's reward is what its agent is paid from then on (`discount` 1: until the end). The result compares what the seats
were paid in all: how many of the others a seat beat, less those that beat it, in proportion; so it is zero-sum, and all
are equal where all are paid alike. The note `returns` has the sums themselves. A foul ends the match; who made it is
beaten by all others, and nothing is learned from the other moves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from selfplay.errors import GameError, UsageError
from selfplay.game import Bot, FoulPolicy, Game, Role, role_of
from selfplay.interop.chance import Chance
from selfplay.interop.words import Words, words_for
from selfplay.interop.zoo_steps import BETWEEN, Chair, attempt, bare, chair_of, reset, seats_of, step
from selfplay.match import Match
from selfplay.types import Json, Move, Request


class ZooGame(Game):
    """An environment of PettingZoo; `zoo_game` makes a subclass for each."""

    zero_sum = True
    make: ClassVar[Callable[..., Any]]
    words: ClassVar[Words]
    agents: ClassVar[Mapping[Any, str]]
    """Agent -> seat."""
    parallel: ClassVar[bool]

    arguments: Json = {}
    """What the environment is made with, for example {max_cycles = 5}."""
    max_moves: int = 1000
    """After so many moves of all seats the match ends as it stands."""
    discount: float = 1.0
    """How much less a payment counts for each move of the seat that lies between."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._spare: list[Any] = []
        """Environments whose matches came to their end, for others; every match resets its own."""
        if not isinstance(self.arguments, dict):
            raise UsageError(f"{self.name()}.arguments = {self.arguments!r}: expected a table, {{name = value}}")
        if self.arguments:
            _probe(type(self).make, self.arguments, self.agents)

    async def play(self, match: Match) -> None:
        env = self._spare.pop() if self._spare else bare(Chance(0).lend(type(self).make, **self.arguments))
        roles, words = self.roles, self.words
        chairs = {a: Chair(roles[role_of(seat)], seat, words, env, a) for a, seat in self.agents.items()}
        seed = match.rng.getrandbits(63)
        ended = False
        try:
            for agent, seat in self.agents.items():
                match.tell(seat, f"You are {agent}.")
            await (self._together if self.parallel else self._in_turn)(match, env, chairs, Chance(seed), seed % 2**31)
            ended = True
        finally:  # also when a foul ends the match
            self._settle_up(match, chairs.values())
            if ended:
                self._spare.append(env)
            else:
                Chance(0).lend(env.close)

    async def _in_turn(self, match: Match, env: Any, chairs: Mapping[Any, Chair], chance: Chance, seed: int) -> None:
        view = chance.lend(reset, env, seed, chairs)
        for _ in range(self.max_moves):
            if view is None:
                return
            chair = chairs[view.agent]
            move = await self._move(match, chair, chair.look(view.observation, view.info))
            view = chance.lend(step, env, move, chairs)

    async def _together(self, match: Match, env: Any, chairs: Mapping[Any, Chair], chance: Chance, seed: int) -> None:
        seen, infos = chance.lend(env.reset, seed=seed)
        for _ in range(0, self.max_moves, len(chairs)):
            if not env.agents:
                return
            movers = [chair_of(chairs, agent) for agent in env.agents]
            prompts = [chair.look(seen[chair.agent], infos.get(chair.agent, {})) for chair in movers]
            moves = await match.gather(*map(self._move, [match] * len(movers), movers, prompts))
            actions = {chair.agent: move.value for chair, move in zip(movers, moves, strict=True)}
            seen, paid, _, _, infos = chance.lend(attempt, env, actions)
            for agent, payment in paid.items():
                chair_of(chairs, agent).paid[-1] += float(payment)

    async def _move(self, match: Match, chair: Chair, prompt: str) -> Move:
        move = await match.ask(chair.role, prompt, seat=chair.seat)
        chair.moves.append(move)
        chair.paid.append(0.0)
        return move

    def _settle_up(self, match: Match, chairs: Iterable[Chair]) -> None:
        """Reward the moves and state the result."""
        returns = {chair.seat: sum(chair.paid) for chair in chairs}
        fouls = {move.seat for move in match.moves if move.foul is not None and move.why_masked != "retried"}
        for chair in chairs:
            worth = 0.0
            for move, paid in zip(reversed(chair.moves), reversed(chair.paid), strict=False):
                move.reward = worth = paid + self.discount * worth
        if fouls:
            for move in match.moves:
                if move.foul is None:
                    move.mask("the match was ended by a foul")
        rank = {seat: (seat not in fouls, 0.0 if fouls else sum_) for seat, sum_ in returns.items()}
        others = max(1, len(rank) - 1)
        match.result({s: sum((a > b) - (a < b) for b in rank.values()) / others for s, a in rank.items()})
        match.note(returns=returns)


def zoo_game(env_fn: Callable[..., Any], *, name: str, words: Words | None, foul: FoulPolicy) -> type[Game]:
    """The Game class of an environment; arguments and errors as in `selfplay.interop.pettingzoo.from_pettingzoo`."""
    from pettingzoo import ParallelEnv

    env = _probe(env_fn, {}, None)
    spoken = words or words_for(env)
    short = str(env.metadata.get("name", type(env.unwrapped).__name__))
    agents = seats_of(env.possible_agents)
    counts: dict[str, int] = {}
    for seat in agents.values():
        role = role_of(seat)
        counts[role] = counts.get(role, 0) + 1
    roles = {role: Role(spoken.rules, seats=count, foul=foul) for role, count in counts.items()}
    own: dict[str, Any] = {
        "__doc__": f"{short}, from PettingZoo.",
        "__module__": __name__,
        "id": name or short,
        "bots": {"random": random_bot(env)},
        "make": staticmethod(env_fn),
        "words": spoken,
        "agents": agents,
        "parallel": isinstance(env, ParallelEnv),
    }
    env.close()
    return type(short, (ZooGame,), own | roles)


def random_bot(env: Any) -> Bot:
    """A player that makes any of the moves on offer, or writes any short text where texts are taken."""
    spaces = {seat: env.action_space(agent) for agent, seat in seats_of(env.possible_agents).items()}

    def bot(request: Request, rng: random.Random) -> str:
        space = spaces[request.seat]
        if not hasattr(space, "n"):
            letters = sorted(space.character_set)
            return "".join(rng.choices(letters, k=rng.randint(space.min_length, min(space.max_length, 20))))
        for message in reversed(request.conversation()):
            title, _, moves = message.text.rpartition("\n")[2].partition(": ")
            if title.startswith("Moves") and message.role == "user":
                return rng.choice(moves.split(BETWEEN))
        raise GameError(f"{request.seat} was offered no moves")

    return bot


def _probe(make: Callable[..., Any], arguments: Mapping[str, Any], agents: Iterable[Any] | None) -> Any:
    """Make the environment once, to see whether it can be played.

    Raises:
        UsageError: it cannot.
    """
    from gymnasium.spaces import Discrete, Text
    from pettingzoo import AECEnv, ParallelEnv

    called = f"{getattr(make, '__module__', '')}.{getattr(make, '__qualname__', make)}".lstrip(".")
    try:
        env = Chance(0).lend(make, **arguments)
    except Exception as error:
        raise UsageError(f"{called}({_call(arguments)}) failed: {type(error).__name__}: {error}") from error
    if not isinstance(env, AECEnv | ParallelEnv):
        raise UsageError(f"{called} made {env!r:.80}; an AECEnv or ParallelEnv of PettingZoo was expected")
    possible = getattr(env, "possible_agents", None)
    if not possible:
        raise UsageError(f"{env} names no possible_agents; who plays must be known before a match begins")
    if agents is not None and list(agents) != list(possible):
        raise UsageError(
            f"{env}({_call(arguments)}) has the agents {possible}, not {list(agents)}\n"
            "  make it a game of its own: from_pettingzoo(functools.partial(env_fn, ...))"
        )
    for agent in possible:
        if not isinstance(space := env.action_space(agent), Discrete | Text):
            raise UsageError(f"{env}: the actions of {agent} are {space}; Discrete or Text was expected")
    return env


def _call(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
