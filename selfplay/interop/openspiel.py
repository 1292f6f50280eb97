"""OpenSpiel's games as Games: ``openspiel:kuhn_poker``, ``openspiel:leduc_poker(players=3)``.

What follows the colon is what `pyspiel.load_game` takes. Each player of the game is a seat of the one role `player`,
sees its own view of the game (the information state where information is hidden, else the observation) and the legal
moves in words, and answers with one of them; anything else is a foul. Chance is drawn from `match.rng`; where OpenSpiel
draws it itself ("sampled" chance), its seed is. Moves made at the same time are asked for at the same time.

Results are OpenSpiel's returns; rewards are the same, divided by the largest possible one.
Source: Lanctot et al. 2019, "OpenSpiel", arXiv 1908.09453. Not played: mean field games, and games without a list of
legal moves (`crossword`). A view is OpenSpiel's own text, terse in many games: "1b" is card 1 and a bet.
"""

from __future__ import annotations

import functools
import random
from typing import Any, ClassVar

from selfplay.errors import MissingExtra, UnknownName, UsageError
from selfplay.game import Game, Role, penalty
from selfplay.interop.fouls import forfeit, try_again
from selfplay.match import Match
from selfplay.types import Move, Request

_BETWEEN = " | "


def random_bot(request: Request, rng: random.Random) -> str:
    """Any of the moves on offer."""
    return rng.choice(request.messages[-1].text.rpartition("\n")[2].partition(": ")[2].split(_BETWEEN))


class OpenSpielGame(Game):
    """A game of OpenSpiel; `openspiel_game` makes a subclass for each."""

    bots = {"random": random_bot}
    spiel: ClassVar[Any] = None
    """The `pyspiel.Game`."""
    player: ClassVar[Role]

    retries: int = 0
    """How often a player may try again after an illegal move."""
    listed: int = 250
    """At most so many legal moves are named in a prompt."""

    async def play(self, match: Match) -> None:
        state = self.deal(match).new_initial_state()
        for index, seat in enumerate(self.seats()):
            match.tell(seat, f"You are player {index}.")
        while not state.is_terminal():
            if state.is_chance_node():
                outcomes, odds = zip(*state.chance_outcomes(), strict=True)
                state.apply_action(match.rng.choices(outcomes, odds)[0])
            elif state.is_simultaneous_node():
                await self.together(match, state)
            else:
                state.apply_action(await self.settled(match, *await self.choose(match, state, state.current_player())))
        match.show(str(state))
        self.score(match, state.returns())

    def deal(self, match: Match) -> Any:
        """The `pyspiel.Game`, with a seed of its own if it draws chance itself."""
        if "rng_seed" not in self.spiel.get_type().parameter_specification:
            return self.spiel
        import pyspiel

        settings = {**self.spiel.get_parameters(), "rng_seed": match.rng.randrange(2**31)}
        return pyspiel.load_game(self.spiel.get_type().short_name, settings)

    async def together(self, match: Match, state: Any) -> None:
        """All players that have a choice move at the same time."""
        players = range(self.spiel.num_players())
        movers = [index for index in players if state.legal_actions(index)]
        chosen = await match.gather(*(self.choose(match, state, index) for index in movers))
        actions = dict(zip(movers, [await self.settled(match, *choice) for choice in chosen], strict=True))
        state.apply_actions([actions.get(index, 0) for index in players])

    async def choose(self, match: Match, state: Any, index: int) -> tuple[Move, int | None]:
        """A player's move, and its action in OpenSpiel's numbers; `None`: it is illegal."""
        legal = {_plain(state.action_to_string(index, action)): action for action in state.legal_actions(index)}
        shown = list(legal)[: self.listed]
        moves = f"Moves ({len(shown)} of {len(legal)})" if len(shown) < len(legal) else "Moves"
        offer = f"{moves}: {_BETWEEN.join(shown)}"
        prompt = f"{self.view(state, index)}\n{offer}".lstrip()
        for left in reversed(range(self.retries + 1)):
            move = await match.ask(self.player, prompt, seat=index + 1, secret=self.hidden())
            action = legal.get(_plain(move.text))
            if action is None and left:
                why = "That is none of the moves."
                try_again(move, why)
                prompt = f"{why} Try again.\n{offer}"
            else:
                break
        return move, action

    async def settled(self, match: Match, move: Move, action: int | None) -> int:
        """The action; the match ends here if there is none."""
        if action is None:
            await forfeit(match, self, move, "not among the legal moves")
        return action or 0

    def view(self, state: Any, index: int) -> str:
        """What the player sees of the game."""
        kind = self.spiel.get_type()
        if kind.provides_information_state_string and (self.hidden() or not kind.provides_observation_string):
            return str(state.information_state_string(index))
        return str(state.observation_string(index))

    def hidden(self) -> bool:
        """Players know things that others do not."""
        kind = self.spiel.get_type()
        return bool(kind.information == kind.Information.IMPERFECT_INFORMATION)

    def score(self, match: Match, returns: list[float]) -> None:
        largest = max(map(abs, self.result_range))
        for seat, value in zip(self.seats(), returns, strict=True):
            match.pay(seat, value / largest)
        match.result(dict(zip(self.seats(), returns, strict=True)))


def _plain(text: str) -> str:
    return " ".join(text.split())


@functools.cache
def openspiel_game(name: str) -> type[Game]:
    """The game that OpenSpiel calls `name`, parameters included: ``leduc_poker(players=3)``.

    Raises:
        MissingExtra: OpenSpiel is not installed.
        UnknownName: OpenSpiel has no game of this name.
        UsageError: OpenSpiel does not take the parameters, or the game cannot be played by text.
    """
    spiel = _load(name)
    kind = spiel.get_type()
    role = Role(
        f"You play {kind.long_name}. Answer with one of the moves, exactly as written.",
        seats=spiel.num_players(),
        foul=penalty(-1.0),
    )
    about = f"{kind.long_name}, from OpenSpiel."
    own = {
        "__doc__": about,
        "__module__": __name__,
        "id": f"openspiel:{name}",
        "zero_sum": kind.utility == kind.Utility.ZERO_SUM,
        "result_range": (spiel.min_utility(), spiel.max_utility()),
        "spiel": spiel,
        "player": role,
    }
    return type(kind.short_name, (OpenSpielGame,), own)


def _load(name: str) -> Any:
    try:
        import pyspiel
    except ImportError:
        raise MissingExtra(f"openspiel:{name}", "openspiel") from None
    short = name.partition("(")[0]
    if short not in pyspiel.registered_names():
        raise UnknownName("game of OpenSpiel", short, pyspiel.registered_names())
    try:
        spiel = pyspiel.load_game(name)
        kind = spiel.get_type()
        if kind.dynamics == kind.Dynamics.MEAN_FIELD:
            raise UsageError(f"openspiel:{name} is a mean field game; only games of single players can be played here")
        if kind.action_structs_only:
            raise UsageError(f"openspiel:{name} offers no list of legal moves, so it cannot be played by text")
        if not (kind.provides_information_state_string or kind.provides_observation_string):
            raise UsageError(f"openspiel:{name} shows its players no text, so it cannot be played by text")
    except (pyspiel.SpielError, IndexError) as error:  # whichever its C++ raises
        raise UsageError(f"OpenSpiel cannot load {name!r}: {error}") from error
    return spiel
