"""What is said about programs, their inputs and outputs: a proposal, and the three problems that it makes.

    def f(a, n): return sum(a)+n        a proposal: one function called f, then as many calls of it as were asked for
    f([3, 1, 2], 4)

    deduction   program, call            ->  f([3, 1, 2], 4) gives ?       answer: 10
    abduction   program, what it gives   ->  f(?) gives 10                 answer: [3, 1, 2], 4      or any other such
    induction   calls and what they give ->  f is ?                        answer: def f(a, n): return sum(a)+n

Values are Python literals, read by `ast.literal_eval`; programs are read, to see that they are Python, and never run
here. A tuple stands for several arguments: a single one that is a tuple is written ``(1, 2),``.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from selfplay.envs.short_functions_interpreter import NotInLanguage, body_of
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.sandbox.comparators import Exact
from selfplay.sandbox.inside.values import BadValue, encode
from selfplay.sandbox.syntax import parse
from selfplay.types import Json

Kind = Literal["deduction", "abduction", "induction"]
KINDS: tuple[Kind, ...] = ("deduction", "abduction", "induction")
Args = tuple[object, ...]

LONGEST_VALUE = 300
"""Characters of a value, or of a call's arguments."""
_CALL = re.compile(r"f\((.*)\)")


class Program(NamedTuple):
    """The source of a function called f."""

    source: str


class Literally(NamedTuple):
    """A value that was written down."""

    value: object

    @property
    def args(self) -> Args:
        """The value as the arguments of a call."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


class Proposal(NamedTuple):
    """A program and calls of it."""

    program: str
    inputs: tuple[Args, ...]


def read_program(text: str) -> Program:
    """Parser: one function called f, and nothing else.

    Raises:
        Foul: it is none.
    """
    source = text.strip()
    try:
        body_of(source)
    except NotInLanguage as error:
        raise Foul(str(error)) from None
    return Program(source)


def read_value(text: str) -> Literally:
    """Parser: a Python literal that can travel to the sandbox.

    Raises:
        Foul: it is none.
    """
    text = text.strip()
    if len(text) > LONGEST_VALUE:
        raise Foul(f"a value may have {LONGEST_VALUE} characters, this has {len(text)}")
    try:
        value: object = ast.literal_eval(parse(text.lstrip(" \t"), "eval"))
        encode(((value,), None))  # as deep as it will be in a task
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, BadValue):
        raise Foul(f"a Python literal was expected, not {text[:40]!r}") from None
    return Literally(value)


def read_answer(text: str) -> Program | Literally:
    """Parser: whatever can be an answer to one of the three problems."""
    return read_program(text) if text.lstrip().startswith("def ") else read_value(text)


def read_proposal(text: str) -> Proposal:
    """Parser: a program, then calls of it, one per line."""
    lines = text.strip().splitlines()
    calls: list[Args] = []
    while lines and (call := _CALL.fullmatch(lines[-1].rstrip())):
        calls.append(read_value(call[1]).args)
        lines.pop()
    if not calls:
        raise Foul("the last line is no call such as f([3, 1, 2], 4)")
    return Proposal(read_program("\n".join(lines)).source, tuple(reversed(calls)))


def wish(kind: Kind, calls: int, references: list[Problem]) -> str:
    """What the proposer is asked for."""
    shown = "".join(f"{reference.program}\n{reference.lines(1)}" for reference in references)
    asked = f"For {kind}, {calls} call{'s' if calls > 1 else ''}:"
    return f"Unlike these:\n{shown}{asked}" if references else asked


def args_text(args: Args) -> str:
    """Arguments as they are written in a call."""
    only_a_tuple = len(args) == 1 and isinstance(args[0], tuple)
    return ", ".join(map(repr, args)) + "," * only_a_tuple


@dataclass(frozen=True, slots=True)
class Problem:
    """A program with inputs and outputs, one of which is asked for."""

    kind: Kind
    program: str
    inputs: tuple[Args, ...]
    outputs: tuple[object, ...]

    def text(self, shown: int) -> str:
        """What the solver sees; of an induction's calls, the first `shown`."""
        match self.kind:
            case "deduction":
                return f"{self.program}\nf({args_text(self.inputs[0])}) gives ?"
            case "abduction":
                return f"{self.program}\nf(?) gives {self.outputs[0]!r}"
            case "induction":
                return f"{self.lines(shown)}f is ?"

    def lines(self, count: int) -> str:
        """The first `count` calls and what they give."""
        pairs = list(zip(self.inputs, self.outputs, strict=True))[:count]
        return "".join(f"f({args_text(args)}) gives {output!r}\n" for args, output in pairs)

    @property
    def answer(self) -> str:
        """One that is right."""
        match self.kind:
            case "deduction":
                return repr(self.outputs[0])
            case "abduction":
                return args_text(self.inputs[0])
            case "induction":
                return self.program

    def misses(self, answer: Program | Literally) -> str | None:
        """Why this cannot be an answer, if it cannot."""
        if isinstance(answer, Program) == (self.kind == "induction"):
            return None
        return "a function was expected" if self.kind == "induction" else "a value was expected, not a function"

    @property
    def key(self) -> str:
        """Equal for equal problems only."""
        return "\n".join([self.kind, self.program, *map(args_text, self.inputs)])

    def task(self) -> dict[str, Json]:
        texts = {"inputs": list(map(args_text, self.inputs)), "outputs": list(map(repr, self.outputs))}
        return {"kind": self.kind, "program": self.program, **texts}

    @classmethod
    def from_task(cls, task: Json) -> Problem:
        """Read what `task` wrote.

        Raises:
            UsageError: it is something else.
        """
        match task:
            case {"kind": str(name), "program": str(program), "inputs": [_, *_] as inputs, "outputs": [*outputs]}:
                try:
                    read_in = tuple(read_value(text).args for text in inputs)
                    read_out = tuple(read_value(text).value for text in outputs)
                    for kind in KINDS:
                        if kind == name and len(read_in) == len(read_out):
                            return cls(kind, read_program(program).source, read_in, read_out)
                except Foul as foul:
                    raise UsageError(f"the task {task!r} is no problem: {foul}") from None
        example = Problem("deduction", "def f(a, n): return a[:n]", (([3, 1], 1),), ([3],)).task()
        raise UsageError(f"the task {task!r} is no problem; one is {example}")


def same(expected: object, answer: object) -> bool:
    """Are these the same value, of the same type?"""
    return Exact().same(expected, answer)


def writable(value: object) -> bool:
    """Can this value be written down and read again?"""
    try:
        return same(value, read_value(repr(value)).value)
    except Foul:
        return False
