"""Knights and knaves: knights say only what is true, knaves only what is false. Who is what? (R. Smullyan, 1978)

    A:!B  B:A=C  C:#2        A says B is a knave; B says A and C are of one kind; C says there are exactly 2 knights

A statement is built from people (one capital letter each; ``A``: A is a knight), ``#n``, ``!`` not, ``=`` of one kind
(or: both true or both false), ``&`` and, ``|`` or, and parentheses, binding in this order. Somebody may speak several
times; people who are only spoken of count too. An answer has K or N for each person in alphabetical order: ``KNK``.
"""

from __future__ import annotations

import re
from functools import reduce

from selfplay.sandbox.checkers.algebra.problem import Constraint, Domain, Problem
from selfplay.sandbox.checkers.algebra.tree import Arith, Assignment, Compare, Condition, Expr, Logic, Not, Num, Var
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.puzzles.puzzle import Puzzle, check_text

MAX_PEOPLE = 10
MAX_DEPTH = 12
"""Nested parentheses and negations."""
MAX_STATEMENT = 200
_SPEAKER = re.compile(r"([A-Z])\s*:")
_TOKEN = re.compile(r"\s*([A-Z]|#[0-9]{1,2}|[!=&|()])")


def read(text: str) -> Puzzle:
    """Read a puzzle.

    Raises:
        Fault: it is none.
    """
    before, *parts = _SPEAKER.split(check_text(text))
    if before.strip() or not parts:
        raise malformed(0, "a puzzle is a list of statements such as A:!B B:A=C")
    said = [(speaker, words.strip(" \t\n;,")) for speaker, words in zip(parts[::2], parts[1::2], strict=True)]
    everybody = sorted({letter for letter in text if letter.isupper()})
    if len(everybody) > MAX_PEOPLE:
        raise malformed(0, f"{len(everybody)} people; at most {MAX_PEOPLE}")
    clues = tuple(
        Constraint(f"{speaker}:{words}", Logic("iff", (knight(speaker), Statement(words, everybody).read())))
        for speaker, words in said
    )
    problem = Problem({person: Domain("int", 0, 1) for person in everybody}, clues)
    return Puzzle(problem, lambda answer: _answer(answer, everybody), _shown)


def knight(person: str) -> Condition:
    """That somebody is a knight."""
    return Compare("==", Var(person), Num(1))


class Statement:
    """Reads one statement: recursive descent, one method for each level of precedence."""

    def __init__(self, text: str, everybody: list[str]) -> None:
        self.text, self.everybody = text, everybody
        self.tokens: list[str] = []
        self.depth = 0
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or len(text) > MAX_STATEMENT:
                raise malformed(0, f"{text[at : at + 20]!r} is not understood; write statements such as !A, A=B, A&!B")
            self.tokens.append(found[1])
            at = found.end()
        self.tokens.reverse()

    def read(self) -> Condition:
        """The whole statement."""
        found = self._or()
        if self.tokens:
            raise malformed(0, f"`{self.text}`: {self.tokens[-1]!r} was not expected")
        return found

    def _or(self) -> Condition:
        parts = [self._and()]
        while self._next("|"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Logic("or", tuple(parts))

    def _and(self) -> Condition:
        parts = [self._same()]
        while self._next("&"):
            parts.append(self._same())
        return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))

    def _same(self) -> Condition:
        found = self._one()
        while self._next("="):
            found = Logic("iff", (found, self._one()))
        return found

    def _one(self) -> Condition:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise malformed(0, f"nested more than {MAX_DEPTH} levels deep")
        found = self._atom()
        self.depth -= 1
        return found

    def _atom(self) -> Condition:
        token = self.tokens.pop() if self.tokens else "the end"
        if token == "!":
            return Not(self._one())
        if token == "(":
            found = self._or()
            if not self._next(")"):
                raise malformed(0, f"`{self.text}`: a parenthesis is not closed")
            return found
        if token.startswith("#"):
            people: list[Expr] = [Var(person) for person in self.everybody]
            total = reduce(lambda a, b: Arith("+", a, b), people)
            return Compare("==", total, Num(int(token[1:])))
        if token.isupper():
            return knight(token)
        raise malformed(0, f"`{self.text}`: {token} was not expected")

    def _next(self, token: str) -> bool:
        """Take the next token if it is this one."""
        if self.tokens and self.tokens[-1] == token:
            self.tokens.pop()
            return True
        return False


def _answer(text: str, everybody: list[str]) -> Assignment:
    letters = text.strip()
    if len(letters) != len(everybody) or set(letters) - set("KN"):
        raise malformed(
            0, f"an answer has K or N for each of {''.join(everybody)}, such as {'KN' * 9:.{len(everybody)}}"
        )
    return {person: int(letter == "K") for person, letter in zip(everybody, letters, strict=True)}


def _shown(assignment: Assignment) -> str:
    return "".join("K" if assignment[person] else "N" for person in sorted(assignment))
