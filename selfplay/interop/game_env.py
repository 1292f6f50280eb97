"""A game as an environment of PettingZoo: the class behind `as_pettingzoo`. Needs the extra ``pettingzoo``."""

from __future__ import annotations

from typing import Any

from pettingzoo import AECEnv

from selfplay.game import Game, role_of
from selfplay.interop.texts import AnyText, Observation, ReplyText
from selfplay.interop.turns import Turns
from selfplay.seeds import derive
from selfplay.types import Json


class GameEnv(AECEnv[str, str, str]):  # type: ignore[misc, unused-ignore]
    """A game whose agents are its seats, and whose observations and actions are texts.

    The observation is what the seat has been told since its last reply. Agents move in the order of the game's asks; an
    ask for `n` replies has its agent move `n` times. Moves are rewarded when the match ends, as games may reconsider
    until then: each agent gets the mean reward of its moves, masked ones left out, and `infos` have them one by one.

    Args:
        render_mode: ``ansi``: `render` returns what was said so far.
    """

    def __init__(self, game: Game, render_mode: str | None = None) -> None:
        super().__init__()
        self.game = game
        self.render_mode = render_mode
        self.metadata = {"name": game.name(), "render_modes": ["ansi"], "is_parallelizable": False}
        self.possible_agents = list(game.seats())
        self.agents: list[str] = []
        self.observation_spaces = {seat: AnyText() for seat in self.possible_agents}
        self.action_spaces = {seat: ReplyText(game, role_of(seat)) for seat in self.possible_agents}
        self._seed = 0

    def observation_space(self, agent: str) -> AnyText:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> AnyText:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Json] | None = None) -> None:
        """Begin a match.

        Args:
            seed: as in ``selfplay play --seed``. Without one, the match follows from the seed of the match before.
            options: ``task`` is the match's input.
        """
        self._seed = derive(self._seed, "reset") if seed is None else seed
        self._turns = Turns(self.game, self._seed, (options or {}).get("task"))
        self._told = dict.fromkeys(self.possible_agents, Observation())
        self._skip_agent_selection = None
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self._go_on()

    def observe(self, agent: str) -> Observation:
        """What the agent has been told last; empty before it is asked for the first time."""
        return self._told[agent]

    def step(self, action: str) -> None:
        """The reply of `agent_selection`; `None` once its match has ended."""
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        self._turns.reply(action)
        self._cumulative_rewards[agent] = 0.0
        self._go_on()
        self._accumulate_rewards()

    def render(self) -> str | None:
        return self._turns.transcript() if self.render_mode == "ansi" else None

    def close(self) -> None:
        """There is nothing to release."""

    def _go_on(self) -> None:
        """Select who is asked next, or pay everybody out."""
        turns = self._turns
        if turns.record is None:
            ask = turns.ask
            self.agent_selection = ask.seat
            self._told[ask.seat] = Observation(turns.told())
            messages = [{"role": message.role, "content": message.text} for message in turns.conversation()]
            self.infos[ask.seat] = {"tag": ask.tag, "reply": turns.sibling + 1, "of": ask.n, "messages": messages}
            return
        self.rewards = {agent: turns.earned(agent) for agent in self.agents}
        self.terminations = dict.fromkeys(self.agents, True)
        self.infos = {agent: turns.outcome(agent) for agent in self.agents}
        self.agent_selection = self.agents[0]
