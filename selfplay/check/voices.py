"""Who answers while a game is being checked. A reply depends on the request alone, so order cannot matter to it.

legal     the game's bot ``random``, else its demonstrations, else another bot, else texts that a parser takes
canary    legal replies with a mark around them, where the parser does not mind
hostile   every third reply is one of `HOSTILE`, or a damaged legal one
"""

from __future__ import annotations

import random
from collections.abc import Callable

from selfplay.alarm import Alarm
from selfplay.errors import SelfplayError
from selfplay.game import Game, Role
from selfplay.policies.bots import ScriptedPolicy
from selfplay.seeds import mix
from selfplay.types import Request

Voice = Callable[[Request, int], str]
"""The reply to a request for one of its seeds."""

PLAIN = (
    "1", "0", "2", "yes", "no", "a", "A", "a1", "pass", "{}", "<answer>1</answer>", '{"answer": 1}', "[1]", "hello",
)  # fmt: skip
"""What is tried where a game offers neither bots nor demonstrations."""

HOSTILE = (
    "", " ", "\n" * 40, "\x00", "\ud800", "\u202e1", "é🙂", "٣", "²", "½", "x" * 50_000, "9" * 5_000, "[" * 3_000,
    "(" * 3_000, "-1", "+", "1e999", "nan", "-inf", "1/0", "9**9**9", "1 2 3", "1,2", "None", "null", "true", "{", "}{",
    "{}", "[]", "[1, 2", '{"answer": null}', '{"answer": {}}', '{"move": []}', "<answer>", "</answer><answer>",
    "<answer></answer>", "```", "```json\n[]\n```", "[bold]1[/bold]", "[/]", "%s%n", "\\", "'", '"', "{0}", "${x}",
    "__import__('os').getcwd()",
)  # fmt: skip
"""Replies that break careless parsers, boards and logs."""


class Legal:
    """Well-formed replies, as far as the game tells what these are."""

    def __init__(self, game: Game, alarm: Alarm) -> None:
        self._game = game
        self._alarm = alarm
        self._texts: dict[str, list[str]] = {}
        self.source, self._policy = self._best()
        self.problems: list[str] = []
        """Why some replies could not come from the source."""

    def __call__(self, request: Request, seed: int) -> str:
        if self._policy is not None:
            single = Request(request.role, request.seat, request.parent, request.messages, request.sampling, (seed,))
            try:
                return self._policy.complete([single])[0][0].text
            except Exception as error:
                problem = f"{self.source} has no reply for {request.role}: {type(error).__name__}: {error}"
                if problem not in self.problems:
                    self.problems.append(problem)
        texts = self.plain(request.role)
        return texts[seed % len(texts)]

    def plain(self, role: str) -> list[str]:
        """The texts of `PLAIN` that this role's parser takes; all of them if it takes none."""
        if role not in self._texts:
            taken = [text for text in PLAIN if taken_as(self._game.roles[role], text, self._alarm) is not None]
            if not taken:
                self.problems.append(f"no legal reply of {role} is known: offer `bots` or `demos`")
            self._texts[role] = taken or list(PLAIN)
        return self._texts[role]

    def _best(self) -> tuple[str, ScriptedPolicy | None]:
        game = self._game
        for name in ("random", *game.bots):
            try:
                policy = ScriptedPolicy(name, game)
            except SelfplayError:
                continue
            return f"bot {name!r}" if name in game.bots else "demonstrations", policy
        return "plain texts", None


class Canary:
    """`Legal` replies with a mark that names the seat, where the parsed value does not hold it."""

    def __init__(self, game: Game, legal: Legal, alarm: Alarm) -> None:
        self._game, self._legal, self._alarm = game, legal, alarm
        self.marked: set[str] = set()
        """Roles whose parsers let a mark pass."""

    def __call__(self, request: Request, seed: int) -> str:
        text, mark = self._legal(request, seed), self.mark(request.seat)
        for marked in (f"{text} {mark}", f"{mark} {text}", f"{text}\n{mark}", f"{mark}\n{text}"):
            value = taken_as(self._game.roles[request.role], marked, self._alarm)
            if value is not None and mark not in value:
                self.marked.add(request.role)
                return marked
        return text

    @staticmethod
    def mark(seat: str) -> str:
        return f"canary-of-{seat.replace('#', '-')}-end"


class Hostile:
    """Spoils a third of `Legal`'s replies."""

    def __init__(self, legal: Legal) -> None:
        self._legal = legal

    def __call__(self, request: Request, seed: int) -> str:
        chance = mix(seed, 1)
        text = self._legal(request, seed)
        return random.Random(chance).choice(spoiled(text)) if chance % 3 == 0 else text


def spoiled(text: str) -> list[str]:
    """`HOSTILE` replies, and a legal one in several states of damage."""
    return [
        *HOSTILE,
        text[:-1],
        text[1:],
        text * 2,
        text[::-1],
        f"[bold]{text}[/bold]",
        f"{text} [/nothing]",
        f"{{{text}}}",
    ]


def taken_as(role: Role, text: str, alarm: Alarm) -> str | None:
    """What the role's parser makes of `text`, in words; `None` if it does not take it."""
    try:
        value = alarm.guard(role.parse, text)
        return f"{value!r} {getattr(value, '__dict__', '')}"
    except Exception:
        return None
