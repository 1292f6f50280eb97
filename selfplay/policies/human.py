"""The person at the terminal as a player: shows what the seat is told, reads a reply.

A reply is one line; a line that ends with a backslash goes on with the next. What is shown may have been written by a
model, so control characters (which terminals obey) are printed as escapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from selfplay.errors import RunError
from selfplay.types import Completion, Inline, Request


class HumanPolicy(Inline):
    """Asks for every reply with `read` (called like `input`), after showing with `write` what is new to the seat.

    `complete` raises RunError when the input ends (Ctrl-D).
    """

    def __init__(self, read: Callable[[str], str] = input, write: Callable[[str], None] = print) -> None:
        self._read = read
        self._write = write

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        return [self._replies(request) for request in requests]

    def _replies(self, request: Request) -> list[Completion]:
        for message in request.messages:
            if message.text:
                self._write(f"\n[{request.seat}] {printable(message.text)}")
        count = len(request.seeds)
        labels = [""] if count == 1 else [f" {i} of {count}" for i in range(1, count + 1)]
        return [Completion(self._line(f"{request.seat}{label}> ")) for label in labels]

    def _line(self, prompt: str) -> str:
        lines = []
        try:
            while True:
                line = self._read(prompt)
                lines.append(line.removesuffix("\\"))
                if not line.endswith("\\"):
                    return "\n".join(lines)
                prompt = "... "
        except EOFError:
            raise RunError("the input ended before the match\n  play in a terminal, or give the seat a bot") from None


def printable(text: str) -> str:
    """`text` with every character that a terminal would not just print written as an escape; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
