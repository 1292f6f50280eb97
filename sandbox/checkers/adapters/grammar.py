"""What hostile text may look like before a prover sees it, and how the file is put together that the prover reads.

A prover's language is large, and it has words that end every proof: `Admitted`, `assume`, `sorry`. Three rules keep
them out without knowing the whole language:

1. *What is read is what is checked.* Comments are taken out, text literals are refused, and so are characters outside a
   short list, so that nothing can be hidden from the check that the prover would see, or the other way round.
2. *Nothing is closed that was not opened.* A text cannot leave the place in which it is put.
3. *Words and signs that are a way out are refused wherever they stand.* They are data, in the module of each prover.

The statement is the problem's, the proof the solver's; each line of the file remembers whose it is (`Assembly`).
"""

from __future__ import annotations

import re
import string
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.types import Blame, Limits, ProofStatus

ASCII = frozenset(string.ascii_letters + string.digits + " \n_()[]{}<>=+-*/%!?&|^~:;,.@'$#")
"""Characters that any language may have; no quotes, no backslash, no tabs."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Never longer than a word of any language: in some, letters beyond ASCII are signs, so ``λsorry`` is two words."""
_CLOSES = {")": "(", "]": "[", "}": "{"}


def words(*lists: str) -> frozenset[str]:
    """The words of some texts."""
    return frozenset(word for text in lists for word in text.split())


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a prover's language has, as far as it matters here."""

    line_comment: str
    """What begins a comment that ends with the line; empty if there is none."""
    block_comment: tuple[str, str] | None
    """What begins and ends a comment that may be nested."""
    ways_out: frozenset[str]
    """Words that are refused wherever they stand."""
    signs: Mapping[str, str]
    """Further ways out: a regular expression, and what it is called in the message."""
    characters: frozenset[str] = ASCII
    kept_comment: str = ""
    """Comments that begin so are none: they are part of the program."""

    def read(self, text: str, limits: Limits, blame: Blame) -> str:
        """The text without its comments, with all its lines.

        Raises:
            Fault: MALFORMED or UNSAFE, with its line.
        """
        if len(text) > limits.source_chars:
            raise Fault(ProofStatus.MALFORMED, 0, f"longer than {limits.source_chars} characters", blame)
        plain = self._without_comments(text.replace("\r\n", "\n").replace("\t", "    "), blame)
        for line, content in enumerate(plain.split("\n"), 1):
            if strange := sorted(set(content) - self.characters):
                raise Fault(ProofStatus.MALFORMED, line, f"the character {strange[0]!a} has no place here", blame)
        if quote := re.search(r"(?<![\w'])'", plain):
            raise _fault(plain, quote, ProofStatus.MALFORMED, "character literals have no place here", blame)
        for word in _WORD.finditer(plain):
            if word[0] in self.ways_out:
                raise _fault(plain, word, ProofStatus.UNSAFE, f"{word[0]!r} is refused in any position", blame)
        for sign, meaning in self.signs.items():
            if found := re.search(sign, plain):
                raise _fault(plain, found, ProofStatus.UNSAFE, f"{meaning} are refused", blame)
        _check_brackets(plain, blame)
        return plain

    def _without_comments(self, text: str, blame: Blame) -> str:
        opening, closing = self.block_comment or ("\0", "\0")
        kept, at, depth = [], 0, 0
        while at < len(text):
            if text.startswith(opening, at):
                depth += 1
                at += len(opening)
                kept.append(" ")
            elif depth and text.startswith(closing, at):
                depth -= 1
                at += len(closing)
            elif not depth and self._begins_line_comment(text, at):
                at = (text + "\n").index("\n", at)
            else:
                if not depth or text[at] == "\n":
                    kept.append(text[at])
                at += 1
        plain = "".join(kept)
        if depth or (self.block_comment and (opening in plain or closing in plain)):
            raise Fault(ProofStatus.MALFORMED, 0, f"{opening} and {closing} do not match", blame)
        return plain

    def _begins_line_comment(self, text: str, at: int) -> bool:
        if not self.line_comment or not text.startswith(self.line_comment, at):
            return False
        return not (self.kept_comment and text.startswith(self.kept_comment, at))


def _fault(text: str, found: re.Match[str], status: ProofStatus, reason: str, blame: Blame) -> Fault:
    return Fault(status, text.count("\n", 0, found.start()) + 1, reason, blame)


def _check_brackets(text: str, blame: Blame) -> None:
    opened: list[str] = []
    for line, content in enumerate(text.split("\n"), 1):
        for sign in content:
            if sign in "([{":
                opened.append(sign)
            elif sign in _CLOSES and (not opened or opened.pop() != _CLOSES[sign]):
                raise Fault(ProofStatus.UNSAFE, line, f"{sign!r} closes what was not opened here", blame)
    if opened:
        raise Fault(ProofStatus.MALFORMED, 0, f"{opened[-1]!r} is never closed", blame)


@dataclass(slots=True)
class Assembly:
    """A file in the making. Lines count from 1, as provers count them."""

    lines: list[str] = field(default_factory=list)
    owners: list[tuple[Blame, int]] = field(default_factory=list)
    """Of each line: who is to blame if it is wrong, and its number in what they wrote (0: it is ours)."""

    def ours(self, text: str) -> None:
        """Add lines of ours. If something is wrong there, then because of what stands before them."""
        solved = any(owner is Blame.SOLVER for owner, _ in self.owners)
        lines = text.split("\n")
        self.lines += lines
        self.owners += [(Blame.SOLVER if solved else Blame.PROPOSER, 0)] * len(lines)

    def stated(self, text: str) -> None:
        """Add the problem's text: definitions, or the statement."""
        self._add(text, Blame.PROPOSER)

    def solved(self, text: str, indent: str = "") -> None:
        """Add the solver's text."""
        self._add(textwrap.indent(textwrap.dedent(text), indent), Blame.SOLVER)

    def _add(self, text: str, owner: Blame) -> None:
        new = text.split("\n")
        self.lines += new
        self.owners += [(owner, number) for number in range(1, len(new) + 1)]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def owner(self, line: int) -> tuple[Blame, int]:
        """Whom to blame for a line of the file, and its number in what they wrote (0: it is ours)."""
        return self.owners[line - 1] if 1 <= line <= len(self.owners) else (Blame.SOLVER, 0)
