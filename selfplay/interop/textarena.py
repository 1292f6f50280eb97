"""TextArena's games as Games: ``textarena:TicTacToe-v0``, ``textarena:LiarsDice-v0(players=4)``.

What comes before the parenthesis is TextArena's own id, variants such as ``-train`` included. Each player is a seat of
the one role `player`; it is told what TextArena has for it since it was last asked, and nothing twice. Its reply, or
what stands between <answer> and </answer>, goes to TextArena, which finds the move in it and, in many games, passes the
text on to the other players.

What TextArena calls an invalid move is a foul. Most games grant one more try; the next foul ends the match, also where
TextArena would go on without the player. Rewards and results are TextArena's.

TextArena draws from the global generators of Python and numpy. Here every match lends it a state of its own (`chance`),
seeded from `match.rng`.
Source: Guertler et al. 2025, "TextArena", arXiv 2504.11442. Not here: games that need a word list of NLTK which is not
installed, or a jury of remote models (``Debate-v0``).
"""

from __future__ import annotations

import functools
import inspect
import io
import random
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import Any, ClassVar, ParamSpec, TypeVar

from selfplay.errors import MissingExtra, UnknownName, UsageError
from selfplay.game import Foul, Game, Role, penalty
from selfplay.interop.chance import Chance
from selfplay.interop.fouls import forfeit, try_again
from selfplay.match import Match
from selfplay.roles.formats import tagged
from selfplay.types import Request

P = ParamSpec("P")
T = TypeVar("T")

LONGEST = 4000
"""Characters in a reply; Python reads no whole number of more than 4300 digits, and TextArena does not expect that."""
MOST_PLAYERS = 15

_BRACKETS = re.compile(r"\[[^\[\]\n]{1,60}\]")
_OFFER = re.compile("available|valid|legal", re.IGNORECASE)
_REFUSAL = re.compile("invalid", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
_RANGE = re.compile(r"(?:from|between) (\d+) (?:to|and) (\d+)")


def random_bot(request: Request, rng: random.Random) -> str:
    """One of the moves in brackets that were last on offer; an example with other numbers, if all there is is one."""
    said = [message.text for message in request.conversation() if message.role == "user"]
    recent = [*said[-4:][::-1], said[0]]
    lines = (line for text in recent for line in reversed(text.splitlines()) if not _REFUSAL.search(line))
    line, offers = next(((line, found) for line in lines if (found := _BRACKETS.findall(line))), ("", ["[1]"]))
    if len(offers) > 1 or _OFFER.search(line):
        return str(rng.choice(offers))
    known = _RANGE.search(said[0])
    choices = range(int(known[1]), int(known[2]) + 1) if known else range(10)
    count = len(_NUMBER.findall(offers[0]))
    fresh = iter(rng.sample(choices, count) if count <= len(choices) else rng.choices(choices, k=count))
    return _NUMBER.sub(lambda _: str(next(fresh)), offers[0])


def _reply(text: str) -> str:
    if len(text) > LONGEST:
        raise Foul(f"a reply may have {LONGEST} characters, this has {len(text)}")
    return text.strip()


class TextArenaGame(Game):
    """A game of TextArena; `textarena_game` makes a subclass for each."""

    bots = {"random": random_bot}
    env_id: ClassVar[str] = ""
    hears_replies: ClassVar[bool] = True
    """Players are shown what the others wrote, not only what came of it."""
    player: ClassVar[Role]

    async def play(self, match: Match) -> None:
        chance = Chance(match.rng.getrandbits(64))
        env = _lend(chance, _start, self.env_id, len(self.seats()), match.rng.getrandbits(31))
        inner, done = _unwrapped(env), False
        objections = _objections(inner.state)
        while not done:
            index, seen = _lend(chance, inner.get_observation)
            move = await match.ask(self.player, self.told(inner, index, seen), seat=index + 1)
            done, _ = _lend(chance, env.step, move.value)
            if objections and (done or inner.state.game_info[index].get("invalid_move")):
                await forfeit(match, self, move, objections[-1], self.scores(inner))
            elif objections:
                try_again(move, objections.pop())
        match.show(str(inner.state.game_info[0].get("reason") or "The game is over."))
        if scores := self.scores(inner):
            for seat, score in scores.items():
                match.pay(seat, score)
            match.result(scores)

    def told(self, env: Any, index: int, seen: list[tuple[int, str, Any]]) -> str:
        """What a player is told of what it saw."""
        names = env.state.role_mapping
        texts = []
        for sender, text, kind in seen:
            if getattr(kind, "name", "") != "PLAYER_ACTION":  # some games pass words as kinds and numbers as texts
                texts.append(str(text).strip())
            elif sender != index and self.hears_replies:
                texts.append(f"{names.get(sender, f'Player {sender}')}: {text.strip()}")
        return "\n".join(texts) or "Your move:"

    def scores(self, env: Any) -> dict[str, float]:
        """TextArena's rewards by seat; empty if it gives none."""
        rewards = env.state.rewards or {}
        return {seat: float(rewards.get(index, 0.0)) for index, seat in enumerate(self.seats())} if rewards else {}


def _start(env_id: str, players: int, seed: int) -> Any:
    import textarena

    env = textarena.make(env_id)
    env.reset(num_players=players, seed=seed)
    return env


def _lend(chance: Chance, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`Chance.lend`, and what they print is thrown away."""
    with redirect_stdout(io.StringIO()):
        return chance.lend(function, *args, **kwargs)


def _unwrapped(env: Any) -> Any:
    """The game itself: its wrappers would tell a player everything again at every move."""
    import textarena

    while isinstance(env, textarena.Wrapper):
        env = env.env
    return env


def _objections(state: Any) -> list[str]:
    """A list to which from now on every invalid move adds the reason."""
    heard: list[str] = []
    object_to = state.set_invalid_move

    def listen(*args: Any, **kwargs: Any) -> Any:
        if args and not isinstance(args[0], str):  # some games give the reward first
            args = args[::-1]
        heard.append(str(kwargs.get("reason", args[0] if args else "invalid move")))
        return object_to(*args, **kwargs)

    state.set_invalid_move = listen
    return heard


@functools.cache
def textarena_game(name: str) -> type[Game]:
    """The game that TextArena calls `name`, with the smallest number of players it takes, or ``NAME(players=N)``.

    Raises:
        MissingExtra: TextArena is not installed.
        UnknownName: TextArena has no game of this name.
        UsageError: TextArena cannot set the game up, or not for so many players.
    """
    try:
        import textarena
        from textarena.envs.registration import ENV_REGISTRY
    except ImportError:
        raise MissingExtra(f"textarena:{name}", "textarena") from None
    found = re.fullmatch(r"([^()]*)(?:\(players=([1-9]\d?)\))?", name)
    env_id = found[1] if found else name
    if found is None or env_id not in ENV_REGISTRY:
        raise UnknownName(
            "game of TextArena", env_id, ENV_REGISTRY, "write textarena:NAME or textarena:NAME(players=4)"
        )
    env = _probe(env_id, [int(found[2])] if found[2] else range(1, MOST_PLAYERS + 1))
    wrappers = ENV_REGISTRY[env_id].default_wrappers or []
    role = Role(
        f"You play {env_id.partition('-v')[0]}. Answer in the format that the game asks for.",
        parse=tagged(_reply, required=False),
        seats=env.state.num_players,
        foul=penalty(-1.0),
    )
    pays_by_itself = "state.rewards" in inspect.getsource(inspect.getmodule(type(env)) or type(env))
    own = {
        "__doc__": f"{env_id}, from TextArena.",
        "__module__": __name__,
        "id": f"textarena:{name}",
        "zero_sum": isinstance(env.state, textarena.TwoPlayerState) and not pays_by_itself,
        "env_id": env_id,
        "hears_replies": not wrappers or textarena.wrappers.LLMObservationWrapper in wrappers,
        "player": role,
    }
    return type(env_id, (TextArenaGame,), own)


def _probe(env_id: str, numbers: Sequence[int]) -> Any:
    """The game set up for the first of these numbers of players that it takes."""
    import textarena

    trouble: BaseException | None = None
    for number in numbers:
        try:
            env = _unwrapped(_lend(Chance(0), _start, env_id, number, 0))
        except (Exception, SystemExit) as error:  # whatever their code raises
            trouble = error
            continue
        alone = isinstance(env.state, textarena.SinglePlayerState)
        if number > 1 or alone or len(numbers) == 1:  # games for many often forget to refuse one
            return env
    why = " ".join(line for line in str(trouble).split() if not line.startswith("***"))
    raise UsageError(f"TextArena cannot set up {env_id!r}: {why[:300]}") from trouble
