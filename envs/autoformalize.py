"""Autoformalize: a function in words becomes a contract; the player criticises what it wrote before it hands it in.

    the smaller of b and c minus 2
        result<=b;result==c-2=>                             statement
        wrong=>                                             critique
        result<=b;result<=c-2;result==b or result==c-2=>    statement
        right                                               critique: handed in

One reply in segments (`match.extend`), after ReForm (arXiv 2510.24592): contract and critique in turn, with arrows
between them, until a critique says ``right`` or `rounds` contracts were written. The last contract is the answer.

    statement   1 for the last one if it is faithful, else 0
    critique    `critique` if it says what is true of the statement before it, minus as much if not

A contract is *faithful* if the function described meets it and nothing else does; both are proved, so no judge has to
compare meanings, and a contract that says less is caught like one that says more. What cannot be proved masks the
segments that depend on it. The credit ``bounded_returns`` (PBSO) hands rewards back along the reply, within bounds.

Notes: ``faithful`` (last contracts), ``first`` (first contracts), ``critic`` (critiques that are true), ``accepts``
(critiques that say ``right``), ``statements`` (in a reply).

What differs from the paper: statements are contracts instead of Lean, the judge is exact, a statement and its critique
are segments of their own, and the critique is one word.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from selfplay.envs.described_functions import KINDS, Described, described, fixed
from selfplay.envs.short_contracts import Contract
from selfplay.game import Demo, Exam, Expected, Foul, Game, Role
from selfplay.match import Match
from selfplay.sandbox.checkers import Proofs
from selfplay.types import Move, Outcome, Request

ARROW = "=>"
"""Ends a segment; one that ends otherwise is the reply's last. No condition has one, and no token has more than it."""
RIGHT, WRONG = "right", "wrong"
SLIPS = 0.5
"""Share of demonstrations whose first contract has a mistake."""


@dataclass(slots=True)
class Draft:
    """One reply: its segments, and for each contract whether it is faithful (`None`: could not be told)."""

    statements: list[Move] = field(default_factory=list)
    critiques: list[Move] = field(default_factory=list)
    faithful: list[bool | None] = field(default_factory=list)


def random_bot(request: Request, rng: random.Random) -> str:
    """Writes any contract, and criticises at random."""
    if _segments(request) % 2:
        return rng.choice((RIGHT, WRONG)) + ARROW
    return described(rng, rng.choice(list(KINDS))).contract + ARROW


def exact_bot(request: Request, rng: random.Random) -> str:
    """Knows the contracts of the exam and says so; writes any contract for other functions."""
    if _segments(request) % 2:
        return RIGHT
    words = next(message.text for message in request.conversation() if message.role == "user")
    return f"{_known().get(words, 'result==a')}{ARROW}"


def _known() -> dict[str, str]:
    return {one.words: one.contract for kind in KINDS for one in fixed(kind, 40, held_out=True)}


def _segments(request: Request) -> int:
    """How many segments the reply has so far."""
    said = [message.text for message in request.conversation() if message.role == "assistant"]
    return sum(text.count(ARROW) for text in said)


class Autoformalize(Game):
    """Words into contracts, with self-critique in between."""

    id = "autoformalize"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "exact": exact_bot}

    formalizer = Role(
        "Write a contract for the function described: conditions on a, b, c and result, with ; between them. Then write"
        f" {ARROW} and whether it is {RIGHT} or {WRONG}. If it is {WRONG}, write {ARROW} again and a better contract."
    )

    attempts: int = 8
    """Replies to each description."""
    rounds: int = 2
    """Contracts in a reply at most; 1: one pass, its critique changes nothing."""
    critique: float = 0.5
    """What a critique earns for being true, and costs if it is not; 0: only contracts are paid for."""
    exam_size: int = 40
    """Exam descriptions of each kind."""

    def expected(self) -> Iterator[Expected]:
        yield "attempts", self.attempts >= 1, "at least 1"
        yield "rounds", self.rounds >= 1, "at least 1"
        yield "critique", self.critique >= 0.0, "0 or more"

    async def play(self, match: Match) -> None:
        own = described(match.rng, match.rng.choice(list(KINDS))) if match.task is None else None
        function = own or Described.from_task(match.task)
        learn = not function.held_out
        firsts = await match.ask(
            self.formalizer, function.words, n=self.attempts, tag="statement", learn=learn, stop=ARROW
        )
        drafts = await match.gather(*(self.write(match, function, first) for first in firsts))
        for draft in drafts:
            self.pay(draft)
        report(match, function, drafts)

    async def write(self, match: Match, function: Described, first: Move) -> Draft:
        """Let one reply go on to its end, and judge its contracts."""
        draft = Draft([first])
        move = first
        while _goes_on(move):
            move = await match.extend(move, tag="critique", stop=ARROW)
            draft.critiques.append(move)
            if not _goes_on(move) or _said(move) != WRONG or len(draft.statements) == self.rounds:
                break
            move = await match.extend(move, tag="statement", stop=ARROW)
            draft.statements.append(move)
        draft.faithful = await match.gather(*(self.judge(match, function, one) for one in draft.statements))
        return draft

    async def judge(self, match: Match, function: Described, statement: Move) -> bool | None:
        """Does the contract say what the words say? `None`: could not be told, which masks it."""
        try:
            contract = Contract.parse(statement.text.removesuffix(ARROW))
        except Foul:
            return False
        if contract.requires:  # what is described is described for all numbers
            return False
        for claim in (function.meets(contract), function.is_all_of(contract)):
            outcome = (await match.check(Proofs(), claim, about=statement)).outcome
            if outcome in (Outcome.UNDECIDED, Outcome.NO_VERDICT):
                return None
            if outcome is not Outcome.PASS:
                return False
        return True

    def pay(self, draft: Draft) -> None:
        """The last contract for being faithful, each critique for being true of the contract before it."""
        for statement in draft.statements:
            statement.reward = 0.0
        draft.statements[-1].reward = float(draft.faithful[-1] is True)
        for critique, truth in zip(draft.critiques, draft.faithful, strict=False):
            if truth is None:
                critique.mask("nobody knows whether the contract is right")
            critique.reward = self.critique if _true(critique, truth) else -self.critique

    def exam(self) -> Exam:
        levels = {kind: [one.task() for one in fixed(kind, self.exam_size, held_out=True)] for kind in KINDS}
        return Exam("formalizer", levels, settings={"attempts": 1})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        """Replies of one contract or two; the first is often wrong, and the critique says so."""
        while True:
            one = described(rng, rng.choice(list(KINDS)))
            lines = [one.contract, RIGHT]
            if rng.random() < SLIPS:
                lines = [slip(one.contract, rng), WRONG, *lines]
            yield self.formalizer.demo(one.words, ARROW.join(lines))


def slip(contract: str, rng: random.Random) -> str:
    """The contract with a mistake: one sign, number or name is another, or a condition is missing."""
    clauses = contract.split(";")
    if len(clauses) > 1 and rng.random() < 0.3:
        del clauses[rng.randrange(len(clauses))]
        return ";".join(clauses)
    places = [found.span() for found in re.finditer(r"[0-9]|\b[abc]\b|[+-]|[<>](?!=)", contract)]
    start, end = rng.choice(places)
    others = next(kind for kind in ("0123456789", "abc", "+-", "<>") if contract[start] in kind)
    return contract[:start] + rng.choice(others.replace(contract[start], "")) + contract[end:]


def report(match: Match, function: Described, drafts: Sequence[Draft]) -> None:
    """Tell the world how it went, as far as it is known."""
    judged = [draft for draft in drafts if draft.faithful[-1] is not None]
    match.note(statements=sum(len(draft.statements) for draft in drafts) / len(drafts))
    if judged:
        faithful = sum(draft.faithful[-1] is True for draft in judged) / len(judged)
        match.result(formalizer=faithful)
        match.note(faithful=faithful, first=sum(draft.faithful[0] is True for draft in judged) / len(judged))
        match.show(f"{function.words}   {faithful:.0%} of {len(judged)} faithful")
    pairs = [pair for draft in drafts for pair in zip(draft.critiques, draft.faithful, strict=False)]
    if known := [(critique, truth) for critique, truth in pairs if truth is not None]:
        match.note(
            critic=sum(_true(critique, truth) for critique, truth in known) / len(known),
            accepts=sum(_said(critique) == RIGHT for critique, _ in known) / len(known),
        )


def _goes_on(move: Move) -> bool:
    """The reply did not end with this segment."""
    return move.text.endswith(ARROW)


def _said(critique: Move) -> str:
    return critique.text.removesuffix(ARROW).strip()


def _true(critique: Move, faithful: bool | None) -> bool:
    return _said(critique) == (RIGHT if faithful else WRONG)
