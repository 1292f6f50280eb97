"""Programs and what they do: a proposer writes a program and calls of it, a solver finds what is missing.

    proposer    def f(a, n): return sum(a)+n               solver   deduction   f([3, 1, 2], 4) gives ?
                f([3, 1, 2], 4)                                     abduction   f(?) gives 10
                                                                    induction   calls and what they give; f is ?

Absolute Zero Reasoner (arXiv 2505.03335): no dataset, the sandbox says what is true. It runs every proposal, each call
twice: a program that fails, or gives another answer the second time, is no task. Abduction accepts any arguments with
that output; an induced function has to do right on calls that were not shown. What was proposed before is kept, and
the source of tasks ``pool_examples`` shows some of it to the proposer, who is asked for something else.

    proposer   1-p, but 0 where nobody solves it (equation 4; `pay` takes others)     -0.5 not usable, -1 ill-formed
    solver     1 right                                                                -0.5 wrong,      -1 ill-formed

Baselines per task and role (TRR++): moves are tagged with the kind of problem, and ``credit = "per_role"`` does the
rest. Programs may be any Python function called f that the sandbox can run. The built-in tiny models know those of
`short_functions`; one function in eight is held out, whoever wrote it, and exams consist of such.

What it does not do: the paper's proposals for induction, which take a program from the buffer and write inputs and a
message for it (here one proposer writes both, and the first calls are shown); rewards for complexity and diversity.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from selfplay import seeds
from selfplay.envs.program_io_bots import random_bot, searching_bot
from selfplay.envs.program_io_formats import (
    KINDS,
    Kind,
    Literally,
    Problem,
    Program,
    Proposal,
    read_answer,
    read_proposal,
    same,
    wish,
    writable,
)
from selfplay.envs.short_functions import STEPS, ShortFunction, exam_functions, held_out, random_function
from selfplay.errors import UsageError
from selfplay.game import Demo, Exam, Expected, Game, penalty
from selfplay.match import Match
from selfplay.rewards import proposer_reward, solve_rate
from selfplay.roles import duties
from selfplay.sandbox import FunctionTask
from selfplay.sandbox.inside.values import decode, encode
from selfplay.sandbox.observe import observe
from selfplay.types import Json, Move, Outcome

UNREADABLE = -1.0
"""What a reply earns that is not in the format."""


class ProgramIO(Game):
    """Programs, inputs and outputs: proposed, deduced, abduced and induced."""

    id = "program_io"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "searching": searching_bot}
    tools = {"observe": observe}

    proposer = duties.proposer(
        "Write a Python function f, then calls of it, one per line.", read_proposal, foul=penalty(UNREADABLE)
    )
    solver = duties.solver(
        "Find what ? stands for: a value, arguments of f, or the whole function f.",
        read_answer,
        foul=penalty(UNREADABLE),
    )

    attempts: int = 8
    """Answers to each problem."""
    kinds: tuple[Kind, ...] = KINDS
    """Which problems are asked for."""
    shown: int = 3
    """Calls that an induction shows."""
    hidden: int = 1
    """Further calls on which an induced function has to be right."""
    references: int = 2
    """At most so many earlier problems does the proposer see, if its task has any (the paper: 6)."""
    pay: str = "solved_hardness"
    """What a proposal earns for the answers to it: a name of `selfplay.rewards.PROPOSER_REWARDS`."""
    wrong: float = -0.5
    """For a readable answer that is wrong, and for a readable proposal that cannot be used."""
    steps: tuple[int, ...] = (1, 2)
    """How many steps the functions of exam and demonstrations may have; proposals are free."""
    exam_size: int = 60
    """Exam problems of each kind."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        proposer_reward(self.pay)

    def expected(self) -> Iterator[Expected]:
        yield "attempts", self.attempts >= 1, "at least 1"
        yield "kinds", self.kinds, "at least one of " + ", ".join(KINDS)
        yield "shown", self.shown >= 1, "at least 1"
        yield "references", self.references >= 0, "at least 0"
        yield "steps", self.steps and set(self.steps) <= set(STEPS), "some of 1, 2 and 3"
        yield "hidden", self.hidden >= 1, "at least 1"

    async def play(self, match: Match) -> None:
        task = match.task
        if isinstance(task, dict) and "kind" in task:  # of the exam, or of the pool of earlier proposals
            await self._solve(match, Problem.from_task(task))
            return
        kind = match.rng.choice(self.kinds)
        references = self._references(match.rng, task)
        proposal = await match.ask(self.proposer, wish(kind, self._calls(kind), references), tag=kind)
        problem = await self._problem(match, kind, proposal)
        match.note(usable=float(problem is not None))
        if problem is None:
            return
        if held_out(problem.program):
            proposal.mask("held out for the exam")
            return
        if kind != "deduction":
            match.secret(self.proposer, problem.answer)
        answers = await self._solve(match, problem)
        proposal.reward = proposer_reward(self.pay)(answers)

    def _references(self, rng: random.Random, task: Json) -> list[Problem]:
        """Earlier problems, of those that the task offers."""
        match task:
            case None:
                return []
            case {"examples": [*offered]}:
                chosen = rng.sample(offered, min(self.references, len(offered)))
                return [Problem.from_task(example["item"]) for example in chosen]
        raise UsageError(f"the task {task!r:.80} has neither a problem nor examples in it")

    def _calls(self, kind: Kind) -> int:
        return self.shown + self.hidden if kind == "induction" else 1

    async def _problem(self, match: Match, kind: Kind, move: Move) -> Problem | None:
        """Run the proposal; the problem that it makes, or `None` and a penalty."""
        proposal: Proposal = move.value
        calls = self._calls(kind)
        if len(proposal.inputs) != calls:
            move.penalise(f"{len(proposal.inputs)} calls, not {calls}", UNREADABLE)
            return None
        inputs = [encode(args) for args in proposal.inputs]
        if len(set(inputs)) < calls:
            move.penalise("the same call twice", self.wrong)
            return None
        seen = await match.call("observe", {"source": proposal.program, "entry": "f", "inputs": inputs})
        if seen["status"] != "ok":
            move.penalise(f"it cannot be used: {seen['status']}", self.wrong)
            return None
        outputs = tuple(map(decode, seen["values"]))
        if not all(map(writable, outputs)):
            move.penalise("what it returns cannot be written as a short literal", self.wrong)
            return None
        return Problem(kind, proposal.program, proposal.inputs, outputs)

    async def _solve(self, match: Match, problem: Problem) -> list[Move]:
        """Have the problem solved, reward the answers, and tell the world how it went."""
        may_learn = not held_out(problem.program)
        answers = await match.ask(
            self.solver, problem.text(self.shown), n=self.attempts, tag=problem.kind, learn=may_learn
        )
        await match.gather(*(self._grade(match, problem, answer) for answer in answers))
        rate = solve_rate(answers)
        if rate is None:  # the sandbox could not tell
            return answers
        match.result(solver=rate)
        match.note(**{problem.kind: rate})
        match.show(f"{problem.text(self.shown)}   {problem.answer!r}: solved by {rate:.0%}")
        match.publish("pool", problem.key, problem.task(), solved=rate * self.attempts, of=self.attempts)
        return answers

    async def _grade(self, match: Match, problem: Problem, answer: Move) -> None:
        if answer.foul is not None:
            return
        if misses := problem.misses(answer.value):
            answer.penalise(misses, UNREADABLE)
            return
        right = await self._right(match, problem, answer)
        if right is not None:
            answer.reward = 1.0 if right else self.wrong

    async def _right(self, match: Match, problem: Problem, answer: Move) -> bool | None:
        """Is it right? `None`: the sandbox could not tell."""
        value: Program | Literally = answer.value
        if isinstance(value, Program):
            cases = list(zip(problem.inputs, problem.outputs, strict=True))
            verdict = await match.check(FunctionTask("f", cases), value.source, about=answer)
        elif problem.kind == "deduction":
            return same(problem.outputs[0], value.value)
        else:
            task = FunctionTask("f", [(value.args, problem.outputs[0])])
            verdict = await match.check(task, problem.program, about=answer)
        return None if verdict.outcome is Outcome.NO_VERDICT else bool(verdict)

    def exam(self) -> Exam:
        rng = seeds.rng(0, "program_io exam")
        pools = [exam_functions(steps, self.exam_size // len(self.steps) or 1) for steps in self.steps]
        levels: dict[str, list[Json]] = {}
        for kind in self.kinds:
            functions = [
                pools[i % len(pools)][i // len(pools) % len(pools[i % len(pools)])] for i in range(self.exam_size)
            ]
            levels[kind] = [self._drawn(rng, kind, function).task() for function in functions]
        return Exam("solver", levels, settings={"attempts": 1})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            for kind in self.kinds:
                earlier = [self._drawn(rng, kind, self._function(rng)) for _ in range(rng.randint(0, self.references))]
                proposed = self._drawn(rng, kind, self._function(rng))
                calls = "".join(f"\nf({text})" for text in proposed.task()["inputs"])
                yield self.proposer.demo(wish(kind, self._calls(kind), earlier), proposed.program + calls)
                for _ in range(3):  # solving takes more practice than proposing
                    problem = self._drawn(rng, kind, self._function(rng))
                    yield self.solver.demo(problem.text(self.shown), problem.answer)

    def _drawn(self, rng: random.Random, kind: Kind, function: ShortFunction) -> Problem:
        """A problem about this function."""
        cases = function.cases(rng, self._calls(kind))
        return Problem(kind, function.source, tuple(args for args, _ in cases), tuple(value for _, value in cases))

    def _function(self, rng: random.Random) -> ShortFunction:
        return random_function(rng, rng.choice(self.steps))
