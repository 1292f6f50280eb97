"""Verifiable instructions: a model writes the programs that check its own obedience, and learns from what they say.

    at least 3 letters; starts with b     writer       len(r)>=3 and r[0]=='b'     does a response keep it?
                                          tester       bca yes                     a response, and whether it does
                                          translator   (of a writer's program) at least 3 letters; starts with b
                                          responder    bbc

AutoIF (arXiv 2406.13542). No answer key; the verifiers are verified:

1. Writers and testers are asked for `functions` programs and `cases` cases. All programs are run on all cases, in the
   sandbox. Cross-validation keeps cases that more than half of the programs agree with, and programs that agree with
   more than half of the cases (``keep = "paper"``); ``code`` is the rule of the released scripts, which is looser for
   cases and stricter for programs; ``off`` keeps all.
2. Every program that was kept is translated back, without its author's context. One whose translation contradicts the
   instruction is dropped (`back_translation`), and so is one that nobody can read back. The paper asks a model of
   entailment; here instructions contradict each other if no word keeps both.
3. Responses earn the share of the kept programs that accept them. If too few programs or cases are kept, none is asked
   for; if nothing is, nobody learns.

Programs earn the share of kept cases that they agree with, and nothing if they were dropped; cases the share of kept
programs. Pairs, at most 2 x 2 of each kind in a match: earning at least 0.5 is preferred to earning 0. Responses that
earn more than 0.5 (``code``: more than 0) are kept, for SFT.

One rule is ours: the cases that are kept must hold both answers (`two_sided`). Without it, programs that accept
anything and cases that say yes confirm each other, and every response is paid.

A good writer thinks of the edges of the instruction, a good tester of responses that just miss it, a good responder
does as told. What is not here: rewriting seed instructions, queries besides the instruction, and the model that grades
how responses fit a query.

Notes: ``usable`` (1: enough was kept), ``functions_kept``, ``cases_kept``, ``cases_right`` (of the readable ones),
``responses_right`` (share that keeps the instruction) and ``response_gap`` (mean reward minus that); if measured also
``functions_right`` and ``kept_right``, the share of programs, and of those kept, that decide `PROBES` words as the
instruction does. Exam: responses to held-out instructions. No reward ever looks at what an instruction really means.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Literal

from selfplay import seeds
from selfplay.envs.verifiable_constraints import Instruction, all_words, random_instruction
from selfplay.envs.verifiable_instructions_players import Case, agreeable_bot, exact_bot, random_case, response
from selfplay.game import Demo, Exam, Expected, Game
from selfplay.match import Match
from selfplay.roles import duties
from selfplay.roles.cross_checks import FILTERS, cross_validated
from selfplay.roles.programs import predicate
from selfplay.sandbox import FunctionTask, Limits
from selfplay.types import Json, Move, Outcome

ENTRY = "keeps"
PROBES = 12
"""Half of them keep the instruction."""
PAIRED = 2
"""Replies on each side of the pairs of one kind."""
_LIMITS = Limits(cpu_s=0.5)


class VerifiableInstructions(Game):
    """Instructions, programs and cases that verify each other, and responses."""

    id = "verifiable_instructions"
    result_range = (0.0, 1.0)
    bots = {"exact": exact_bot, "agreeable": agreeable_bot}

    writer = duties.solver("Write a Python expression over the word r: does r keep the instruction?", predicate(ENTRY))
    tester = duties.solver("Write a word, and yes or no: does it keep the instruction?", Case.parse)
    translator = duties.solver("Write the instruction that this program checks.", Instruction.parse)
    responder = duties.solver("Write a word that keeps the instruction.", response)

    functions: int = 6
    """Programs for each instruction."""
    cases: int = 6
    """Cases for each instruction."""
    responses: int = 8
    """Responses to each instruction."""
    parts: tuple[int, ...] = (1, 2)
    """How many constraints an instruction has."""
    keep: Literal["paper", "code", "off"] = "paper"
    """The rule of cross-validation, see above."""
    least_functions: int = 1
    """Different programs that must be kept (released scripts: 3)."""
    least_cases: int = 1
    """Cases that must be kept (released scripts: 10)."""
    two_sided: bool = True
    """The cases that are kept must say yes and no."""
    back_translation: bool = True
    """Programs that are read as something that contradicts the instruction are dropped."""
    measured: float = 0.25
    """Share of the matches in which the notes compare programs with what the instruction really means."""
    exam_size: int = 50
    """Instructions of each level of the exam."""

    def expected(self) -> Iterator[Expected]:
        yield "functions", self.functions >= 1, "at least 1"
        yield "cases", self.cases >= 1, "at least 1"
        yield "responses", self.responses >= 1, "at least 1"
        yield "parts", self.parts and set(self.parts) <= {1, 2, 3}, "some of 1, 2, 3"
        yield "measured", 0.0 <= self.measured <= 1.0, "0 to 1"

    async def play(self, match: Match) -> None:
        task = match.task
        if task is None:
            instruction = random_instruction(match.rng, match.rng.choice(self.parts))
        else:
            instruction = Instruction.from_task(task)
        if isinstance(task, dict) and "graded" in task:
            (move,) = await match.ask(self.responder, instruction.text(), n=1, learn=False)
            match.result(responder=float(obeys(move, instruction)))
            return
        learn = not instruction.held_out
        functions, cases = await match.gather(
            match.ask(self.writer, instruction.text(), n=self.functions, learn=learn),
            match.ask(self.tester, instruction.text(), n=self.cases, learn=learn),
        )
        measured = match.rng.random() < self.measured
        kept, kept_cases = await self.verify(match, instruction, functions, cases)
        prefer(match, functions)
        prefer(match, cases)
        programs = list(dict.fromkeys(function.value for function in kept))
        usable = len(programs) >= self.least_functions and len(kept_cases) >= self.least_cases
        match.note(usable=float(usable), functions_kept=len(kept), cases_kept=len(kept_cases))
        readable = [case for case in cases if case.value is not None]
        right = [instruction.kept_by(case.value.word) == case.value.keeps for case in readable]
        match.note(**({"cases_right": sum(right) / len(right)} if right else {}))
        if usable:
            await self.respond(match, instruction, programs, learn)
        else:
            match.result(responder=0.0)
        if measured:
            await measure(match, instruction, functions, kept)

    async def verify(
        self, match: Match, instruction: Instruction, functions: list[Move], cases: list[Move]
    ) -> tuple[list[Move], list[Move]]:
        """The programs and the cases that are kept. Rewards all of them."""
        columns = [case for case in cases if case.foul is None]
        claims = [((case.value.word,), case.value.keeps) for case in columns]

        async def row(function: Move) -> list[bool]:
            verdict = await match.check(FunctionTask(ENTRY, claims, limits=_LIMITS), function.value, about=function)
            return [part == "ok" for part in verdict.parts] or [False] * len(claims)

        rows = [function for function in functions if function.foul is None] if claims else []
        agrees = await match.gather(*map(row, rows))
        judged = [(function, said) for function, said in zip(rows, agrees, strict=True) if not function.why_masked]
        rows, agrees = [function for function, _ in judged], [said for _, said in judged]
        numbers, kept_columns = cross_validated(agrees, FILTERS[self.keep])
        answers = {columns[number].value.keeps for number in kept_columns}
        if not numbers or not kept_columns or (self.two_sided and len(answers) < 2):
            for move in (*functions, *cases):
                if move.foul is None and move.why_masked is None:
                    move.mask("nothing confirms it")
            return [], []
        good = await self.read_back(match, instruction, [rows[number] for number in numbers])
        for number, function in enumerate(rows):
            dropped = number in numbers and function not in good
            function.reward = 0.0 if dropped else share(agrees[number][case] for case in kept_columns)
        for number, case in enumerate(columns):
            case.reward = share(agrees[function][number] for function in numbers)
        return good, [columns[number] for number in kept_columns]

    async def read_back(self, match: Match, instruction: Instruction, functions: list[Move]) -> list[Move]:
        """The programs that mean, to somebody who sees nothing else, what does not contradict the instruction."""
        if not self.back_translation:
            return functions

        async def read(program: str) -> bool:
            (move,) = await match.ask(self.translator, program, n=1, learn=False)
            return move.value is not None and not move.value.contradicts(instruction)

        programs = list(dict.fromkeys(function.value for function in functions))
        fine = dict(zip(programs, await match.gather(*map(read, programs)), strict=True))
        return [function for function in functions if fine[function.value]]

    async def respond(self, match: Match, instruction: Instruction, programs: list[str], learn: bool) -> None:
        """Ask for responses, and pay them by what the programs say."""
        responses = await match.ask(self.responder, instruction.text(), n=self.responses, learn=learn)

        async def accepted(move: Move, program: str) -> bool:
            task = FunctionTask(ENTRY, [((move.value,), True)], limits=_LIMITS)
            verdict = await match.check(task, program, about=move)
            return verdict.outcome is Outcome.PASS

        async def pay(move: Move) -> None:
            move.reward = share(await match.gather(*(accepted(move, program) for program in programs)))

        await match.gather(*(pay(move) for move in responses if move.foul is None))
        for move in responses:
            move.keep = move.foul is None and (move.reward or 0.0) > (0.0 if self.keep == "code" else 0.5)
        prefer(match, responses)
        truth = share(obeys(move, instruction) for move in responses)
        paid = [move.reward for move in responses if move.reward is not None]
        match.result(responder=truth)
        match.note(responses_right=truth, **({"response_gap": share(paid) - truth} if paid else {}))
        match.show(f"{instruction.text()}: {' '.join(move.value for move in responses if move.value)}")

    def exam(self) -> Exam:
        levels: dict[str, list[Json]] = {}
        for parts in self.parts:
            rng = seeds.rng(0, "verifiable_instructions exam", parts)
            drawn = (random_instruction(rng, parts, held_out=True).text() for _ in range(4 * self.exam_size))
            chosen = list(dict.fromkeys(drawn))[: self.exam_size]
            levels[f"{parts} constraint{'s' * (parts > 1)}"] = [
                {"instruction": text, "graded": True} for text in chosen
            ]
        return Exam("responder", levels)

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            instruction = random_instruction(rng, rng.choice(self.parts))
            text, code = instruction.text(), instruction.code()
            yield self.writer.demo(text, code)
            yield self.tester.demo(text, random_case(rng, instruction).text())
            yield self.translator.demo(self.writer.parse(code), text)
            yield self.responder.demo(text, rng.choice(instruction.words()))


def obeys(move: Move, instruction: Instruction) -> bool:
    """Does a response really keep the instruction?"""
    return move.value is not None and instruction.kept_by(move.value)


def share(numbers: Iterable[float]) -> float:
    """Their mean."""
    each = list(numbers)
    return sum(each) / len(each)


def prefer(match: Match, replies: Sequence[Move]) -> None:
    """Prefer what earned at least 0.5 to what earned nothing."""
    good = [move for move in replies if move.foul is None and (move.reward or 0.0) >= 0.5][:PAIRED]
    bad = [move for move in replies if move.reward == 0.0][:PAIRED]
    for better, worse in product(good, bad):
        match.prefer(better, worse)


async def measure(match: Match, instruction: Instruction, functions: list[Move], kept: list[Move]) -> None:
    """Note how many programs decide some words as the instruction does. Nothing here touches a reward."""
    keeps = instruction.words()
    others = [word for word in all_words() if word not in set(keeps)]
    chosen = [
        *match.rng.sample(keeps, min(PROBES // 2, len(keeps))),
        *match.rng.sample(others, min(PROBES // 2, len(others))),
    ]
    task = FunctionTask(ENTRY, [((word,), instruction.kept_by(word)) for word in chosen], limits=_LIMITS)

    async def right(function: Move) -> bool | None:
        if function.foul is not None:
            return False
        verdict = await match.check(task, function.value)
        return None if verdict.outcome is Outcome.NO_VERDICT else bool(verdict)

    found = dict(zip(functions, await match.gather(*map(right, functions)), strict=True))
    for name, moves in (("functions_right", functions), ("kept_right", kept)):
        known = [answer for move in moves if (answer := found[move]) is not None]
        if known:
            match.note(**{name: share(known)})
