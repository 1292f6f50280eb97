"""What the players of `selfplay.envs.verifiable_instructions` say, and scripted players.

case        bca yes        a response and whether it keeps the instruction
response    bbc            a word
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

from selfplay.envs.verifiable_constraints import LETTERS, TABLE, Instruction, all_words
from selfplay.game import Foul
from selfplay.types import Request

MOST_LETTERS = 8
_ANSWERS = {"yes": True, "no": False}
_RETURNS = re.compile(r"return bool\((.*)\)$", re.MULTILINE)


class Case(NamedTuple):
    """A response, and whether it keeps the instruction."""

    word: str
    keeps: bool

    @classmethod
    def parse(cls, text: str) -> Case:
        """Read ``bca yes``.

        Raises:
            Foul: it is something else.
        """
        word, _, answer = text.strip().partition(" ")
        if answer not in _ANSWERS:
            raise Foul("a word and yes or no were expected, like this: bca yes")
        return cls(response(word), _ANSWERS[answer])

    def text(self) -> str:
        return f"{self.word} {'yes' if self.keeps else 'no'}"


def response(text: str) -> str:
    """Parser: a word.

    Raises:
        Foul: it is none.
    """
    word = text.strip()
    if not re.fullmatch(rf"[{LETTERS}]{{1,{MOST_LETTERS}}}", word):
        raise Foul(f"a word of 1 to {MOST_LETTERS} letters a, b and c was expected")
    return word


def random_case(rng: random.Random, instruction: Instruction) -> Case:
    """A right one, as often yes as no."""
    keeps = rng.random() < 0.5
    return Case(rng.choice([word for word in all_words() if instruction.kept_by(word) == keeps]), keeps)


def exact_bot(request: Request, rng: random.Random) -> str:
    """Does everything right."""
    asked = request.messages[-1].text
    if request.role == "translator":
        return _in_words(asked)
    instruction = Instruction.parse(asked)
    if request.role == "writer":
        return instruction.code()
    return random_case(rng, instruction).text() if request.role == "tester" else rng.choice(instruction.words())


def agreeable_bot(request: Request, rng: random.Random) -> str:
    """Says yes to everything."""
    said = {"writer": "True", "tester": "abc yes", "translator": "at least 2 letters"}
    return said.get(request.role, "abc")


def _in_words(program: str) -> str:
    """The words of a program that is made of the constraints' code."""
    found = _RETURNS.search(program)
    known = {constraint.code: words for words, constraint in TABLE.items()}
    return "; ".join(known.get(part, "?") for part in found[1].split(" and ")) if found else "?"
