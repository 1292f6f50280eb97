"""What a game's author writes: a `Game` with `Role`s, settings and one coroutine, `play`.

    class Guess(Game):
        guesser = Role("Guess the number. Answer with the number.", parse=integer)
        high: int = 9                                    # a setting: `--set game.high=99`

        async def play(self, match: Match) -> None:
            secret = match.rng.randint(1, self.high)     # match.rng is the only chance
            move = await match.ask(self.guesser, f"1 to {self.high}?")
            move.reward = float(move.value == secret)

A match is a function of the game's settings, its task, its seed, and the recorded replies, verdicts and tool results;
of nothing else. So `play` awaits only `match.*` and uses no model, thread, clock, global random state or environment
variable. `selfplay games check` finds out whether that is so.
"""

from __future__ import annotations

import functools
import inspect
import random
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, dataclass_transform

from selfplay.errors import UnknownName, UsageError
from selfplay.types import Edit, Json, MatchRecord, Message, Request, plain

if TYPE_CHECKING:
    from selfplay.match import Match


class Foul(Exception):
    """Raised by a role's parser: this reply does not parse or is illegal. Says why; the player may be shown it."""


@dataclass(frozen=True, slots=True)
class FoulPolicy:
    """What a foul costs. Published systems differ, so every role says it; see `mask`, `penalty` and `retry`."""

    reward: float | None
    """Reward of the reply that counts as the foul; `None` masks it."""
    retries: int = 0
    """How often the seat may try again first (single asks only); the replies tried before are masked."""


def mask() -> FoulPolicy:
    """A foul teaches nothing (Self-Questioning Language Models, arXiv 2508.03682)."""
    return FoulPolicy(None)


def penalty(reward: float) -> FoulPolicy:
    """A foul costs `reward` (Absolute Zero uses -0.5 and -1, R-Zero and DARC -1)."""
    return FoulPolicy(reward)


def retry(n: int, forfeit: float | None = -1.0) -> FoulPolicy:
    """The seat is told why and may try `n` more times; then it forfeits with reward `forfeit`."""
    return FoulPolicy(forfeit, retries=n)


class Role:
    """A duty in a game: what the player is told, and how its replies are understood.

    Args:
        instructions: the system message, the same in every match (constant text costs the tiny models one token).
        parse: turns a reply into a value or raises `Foul`. Replies are hostile: parse with a whitelist, never evaluate.
        seats: how many players hold this role in one match: ``solver``, or ``solver#1`` ... ``solver#k``.
        foul: what a foul costs; the default counts it like a wrong answer, reward 0.
        max_tokens: longest reply, where the role knows it; the recipe's sampling settings apply otherwise.
    """

    def __init__(
        self,
        instructions: str,
        *,
        parse: Callable[[str], Any] = str.strip,
        seats: int = 1,
        foul: FoulPolicy = FoulPolicy(0.0),
        max_tokens: int | None = None,
    ) -> None:
        self.instructions = instructions
        self.parse = parse
        self.foul = foul
        self.max_tokens = max_tokens
        if seats < 1:
            raise UsageError(f"a role has at least 1 seat, not {seats}")
        self._seat_count = seats
        self.name = ""
        self.seats: tuple[str, ...] = ()

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        count = self._seat_count
        self.seats = (name,) if count == 1 else tuple(f"{name}#{i}" for i in range(1, count + 1))

    def demo(self, prompt: str, reply: str, earlier: Sequence[tuple[str, str]] = ()) -> Demo:
        """A demonstration of this role: `reply` to `prompt`, after `earlier` (prompt, reply) turns."""
        messages = [Message("system", self.instructions)]
        for asked, said in earlier:
            messages += [Message("user", asked), Message("assistant", said)]
        return Demo(self.name, (*messages, Message("user", prompt)), reply)

    def __repr__(self) -> str:
        return f"<Role {self.name}>"


class Demo(NamedTuple):
    """A demonstration for the tiny models: what a seat saw, and a well-formed reply."""

    role: str
    messages: tuple[Message, ...]
    reply: str


Bot = Callable[[Request, random.Random], str]
"""A scripted player: sees what the seat sees, returns its reply."""


@dataclass(frozen=True, slots=True)
class Exam:
    """Fixed held-out tasks that show whether a player really gets better.

    A match on one of them is scored by ``match.result`` for `role`, in [0, 1].
    """

    role: str
    levels: Mapping[str, Sequence[Json]]
    """Level -> task data, easiest first; never trained on."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """Settings of the game during the exam, for example one attempt instead of eight."""
    opponents: Mapping[str, str] = field(default_factory=dict)
    """Role -> scripted bot that plays it; the examined player plays all others."""


Expected: TypeAlias = tuple[str, object, str]
"""A setting's name, whether it is fine, and what is allowed."""


@dataclass_transform(kw_only_default=True)
class Game:
    """The rules of a game. Subclass it; annotated class attributes are its settings, `Role` attributes its roles.

    Raises:
        UnknownName: a setting that the game does not have.
        UsageError: a setting of the wrong type, or not as `expected`.
    """

    id: ClassVar[str] = ""
    """Registered name; a game in a user's own file needs none."""
    zero_sum: ClassVar[bool] = False
    """Results of a match add up to 0 (`selfplay games check` holds you to it)."""
    result_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    bots: ClassVar[Mapping[str, Bot]] = {}
    """Scripted players, for ``scripted:NAME``; one called ``random`` is the player ``random``."""
    tools: ClassVar[Mapping[str, Callable[[Json], Json]]] = {}
    """Outside services for `match.call`; a run may replace them by name."""
    roles: ClassVar[Mapping[str, Role]] = {}
    """Filled in by the class itself."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = {k: r for base in reversed(cls.__mro__[1:]) for k, r in vars(base).items() if isinstance(r, Role)}
        cls.roles = inherited | {k: r for k, r in vars(cls).items() if isinstance(r, Role)}
        _check_class(cls)

    def __init__(self, **settings: Any) -> None:
        allowed = self.setting_types()
        for name, value in settings.items():
            if name not in allowed:
                raise UnknownName(f"setting of game {self.name()}", name, allowed)
            setattr(self, name, _typed(value, allowed[name], f"{self.name()}.{name}"))
        for name, fine, what in self.expected():
            if not fine:
                raise UsageError(f"{self.name()}.{name} = {getattr(self, name)!r}: expected {what}")

    def expected(self) -> Iterable[Expected]:
        """What settings must be, beyond their types: ``yield "attempts", self.attempts >= 1, "at least 1"``."""
        return ()

    async def play(self, match: Match) -> None:
        """What happens in a match, in the order in which it happens."""
        raise NotImplementedError(f"{type(self).__name__} has no `play`")

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        """An endless stream of demonstrations, for ``selfplay tiny make``; offering none is fine."""
        return iter(())

    def exam(self) -> Exam | None:
        """Held-out tasks, for the canary and ``selfplay eval``; `None` if the game has none."""
        return None

    def settle(self, records: Sequence[MatchRecord]) -> Iterable[Edit]:
        """Rewards that need the whole closed batch to be known. Pure; the edits are logged."""
        return ()

    @classmethod
    def name(cls) -> str:
        return cls.id or cls.__name__

    @classmethod
    def seats(cls) -> tuple[str, ...]:
        """All seats of one match, in the order of the roles."""
        return tuple(seat for role in cls.roles.values() for seat in role.seats)

    @classmethod
    @functools.cache
    def setting_types(cls) -> Mapping[str, Any]:
        """Setting name -> its declared type."""
        hints = typing.get_type_hints(cls)
        return {
            name: hint
            for name, hint in hints.items()
            if typing.get_origin(hint) is not ClassVar and hint is not Role and hasattr(cls, name)
        }

    def settings(self) -> dict[str, Json]:
        """Setting name -> value, ready for JSON."""
        return {name: plain(getattr(self, name), f"{self.name()}.{name}") for name in self.setting_types()}


def role_of(seat: str) -> str:
    """The role that a seat belongs to: ``solver#2`` -> ``solver``."""
    return seat.partition("#")[0]


def _check_class(cls: type[Game]) -> None:
    """Refuse, as soon as it is written, a class that could not work.

    Raises:
        UsageError: `play` is no coroutine, or a role or setting hides what every game has.
    """
    if not inspect.iscoroutinefunction(cls.play):
        raise UsageError(f"{cls.__name__}.play must be a coroutine: `async def play(self, match)` without `yield`")
    settings = [name for name, hint in vars(cls).get("__annotations__", {}).items() if "ClassVar" not in str(hint)]
    for name in (*cls.roles, *settings):
        if hasattr(Game, name):
            raise UsageError(f"{cls.__name__}.{name} hides `Game.{name}`, which every game has: choose another name")
    for name, role in cls.roles.items():
        if role.name != name:
            raise UsageError(f"{cls.__name__}.{name} is the same Role as {role.name!r}: give each role one of its own")


def _typed(value: Any, hint: Any, where: str) -> Any:
    """`value` as the declared type of a setting, without guessing (a TOML list becomes a tuple, an int a float)."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        for option in args:
            try:
                return _typed(value, option, where)
            except UsageError:
                continue
    elif origin is typing.Literal:
        if value in args:
            return value
    elif origin is tuple and isinstance(value, list | tuple):
        items = (args[0] if args else Any,) * len(value) if len(args) < 2 or args[1] is Ellipsis else args
        if len(items) == len(value):
            return tuple(_typed(v, item, f"{where}[{i}]") for i, (v, item) in enumerate(zip(value, items, strict=True)))
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    elif isinstance(hint, type) and hint not in (int, float) and isinstance(value, hint):
        return value
    expected = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
    raise UsageError(f"{where} = {value!r} ({type(value).__name__}): expected {expected}")
