"""Steps: what a script hands to the engine when it awaits a verb of `selfplay.match`.

Each is a small object that yields itself to whoever drives the coroutine and returns what is sent back.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any

from selfplay.game import Role
from selfplay.types import Checker, Json, Message, Move, Path, Verdict


class Ask:
    """Step: get `n` replies from a seat's player. The engine sends back a list of moves, not yet parsed."""

    __slots__ = ("group", "learn", "messages", "n", "parent", "path", "role", "sampling", "seat", "secret", "siblings",
                 "tag", "told")  # fmt: skip

    def __init__(self, path: Path, role: Role, seat: str, n: int, siblings: bool) -> None:
        self.path = path
        self.role = role
        self.seat = seat
        self.n = n
        self.siblings = siblings
        """Replies are numbered siblings (`n` was given), not the seat's one reply."""
        self.parent: Move | None = None
        self.messages: tuple[Message, ...] = ()
        self.told: tuple[Path, ...] = ()
        self.sampling: dict[str, Any] = {}
        self.tag = ""
        self.group: str | None = None
        self.learn = True
        self.secret = False

    def __await__(self) -> Generator[Ask, list[Move], list[Move]]:
        return (yield self)


class Check:
    """Step: have a checker judge a claim."""

    __slots__ = ("about", "checker", "claim", "path")

    def __init__(self, path: Path, checker: Checker, claim: Any, about: list[Move]) -> None:
        self.path = path
        self.checker = checker
        self.claim = claim
        self.about = about

    def __await__(self) -> Generator[Check, Verdict, Verdict]:
        return (yield self)


class Call:
    """Step: use an outside service."""

    __slots__ = ("args", "path", "tool")

    def __init__(self, path: Path, tool: str, args: Json) -> None:
        self.path = path
        self.tool = tool
        self.args = args

    def __await__(self) -> Generator[Call, Json, Json]:
        return (yield self)


class Gather:
    """Step: run branches in parallel."""

    __slots__ = ("branches", "path")

    def __init__(self, path: Path, branches: tuple[Coroutine[Any, Any, Any], ...]) -> None:
        self.path = path
        self.branches = branches

    def __await__(self) -> Generator[Gather, list[Any], list[Any]]:
        return (yield self)


class Forfeit:
    """Step: the match ends here, in order, because of this foul. Never answered."""

    __slots__ = ("move",)

    def __init__(self, move: Move) -> None:
        self.move = move

    def __await__(self) -> Generator[Forfeit, None, None]:
        yield self


Step = Ask | Check | Call | Gather | Forfeit
