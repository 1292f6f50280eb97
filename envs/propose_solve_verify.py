"""Propose, solve, verify: contracts of a wanted difficulty are proposed, solved, and the solutions proved.

    propose   easy result-3==a           ->   result+a==b+2
              hard result>=a;result>=b;result==a or result==b
              medium
    solve     result+a==b+2              ->   return b+2-a        proved: kept

PSV (arXiv 2512.18160): two kinds of match on one run. A *propose* match shows contracts of each measured difficulty and
asks for a new one of a wanted difficulty (source ``pool_examples``). A *solve* match takes a contract from the pool
(source ``pool_items``), or a starting one where there is no task, has it solved `attempts` times, and publishes the
share of proved solutions, which is its difficulty from then on. A contract enters the pool if the checker finds it
worth posing: one without inputs, without results, for which every result will do, or that is not defined everywhere is
an invalid claim, and its proposer's foul. The recipe makes expert iteration of it: one proved solution of each
contract, from all generations, and the base model trained again on these.

A proof that does not come off is not held against a solution: it counts as unsolved, and teaches nothing (`match.check`
masks it). With `tries`, a proposal is attempted at once and paid 4p(1-p) for what is proved: then both roles may learn
by policy gradient; otherwise proposers are prompted, never trained, as in the paper.

    verifier   proof   the contracts checker                                    sound
               tests   `tests` inputs must not break the contract               unsound
               none    any solution that can be read counts
    labels     false: the proposer sees neither difficulties nor a wanted one

Under the last two verifiers accepted solutions are proved as well, for the note ``accepted_right`` only: how clean what
is learned from is. Other notes: ``pass_rate``, ``undecided``, ``valid`` (share of proposals that enter the pool),
``rate_easy`` and the like (pass rate of what was proposed when an easy contract was wanted). Contracts:
`short_contracts`, `contract_families`.

What differs from the paper: contracts are ours, not Verus; the proposer is the tiny model itself, whose demonstrations
stand in for a language model's general knowledge; it writes no reasoning; it gives several proposals to one prompt.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Literal, NamedTuple, cast

from selfplay.envs.contract_families import LEVELS, Sample, fixed, sample, starting
from selfplay.envs.short_contracts import LIMITS, PARAMS, Contract
from selfplay.errors import UsageError
from selfplay.game import Demo, Exam, Expected, Foul, Game
from selfplay.match import Match
from selfplay.rewards import learnability
from selfplay.roles import duties
from selfplay.roles.formats import code_block
from selfplay.sandbox.checkers import Proofs
from selfplay.types import Json, Move, Outcome, Request

POOL = "contracts"
"""What proposals and their pass rates are published under."""
DIFFICULTIES = ("easy", "medium", "hard", "impossible")
START, EXAM_SIZE = 60, 40
SOLVER_LEVELS = (6, 5, 3, 1, 1)
"""How often demonstrations solve a contract of each level: the harder half is left to be learned."""


def body(text: str) -> str:
    """Parser: a module that defines `f`, from a whole one, from the body of `f` alone, or from either in a code block.

    What it says is the checker's business, which reads no more than its own language.
    """
    code = code_block()(text) if "```" in text else text.strip("\n")
    if not code.strip() or len(code) > LIMITS.source_chars:
        raise Foul(f"the body of f(a, b, c), at most {LIMITS.source_chars} characters of Python, was expected")
    if code.lstrip().startswith(("def ", "@", "from ")):
        return code
    return f"def f({', '.join(PARAMS)}):\n{textwrap.indent(textwrap.dedent(code), '    ')}"


class Wish(NamedTuple):
    """What a proposer is asked for."""

    wanted: str
    examples: tuple[tuple[str, Contract], ...]
    """Difficulty and contract."""

    @classmethod
    def from_task(cls, task: dict[str, Json]) -> Wish:
        """Read a task of the source ``pool_examples``.

        Raises:
            UsageError: it is something else.
        """
        try:
            shown = [(str(e["label"]), Contract.from_task(e["item"])) for e in cast("list[Any]", task["examples"])]
        except (TypeError, KeyError):
            raise UsageError(f"the task {task!r:.200} has no list of examples, each a label and an item") from None
        return cls(str(task["wanted"]), tuple(shown))

    def text(self, labels: bool) -> str:
        """The prompt; without labels no difficulty is told."""
        if not labels:
            return "\n".join([*(contract.text for _, contract in self.examples), "another"])
        return "\n".join([*(f"{label} {contract.text}" for label, contract in self.examples), self.wanted])


class Attempts(NamedTuple):
    """What came of one contract."""

    answers: list[Move]
    solved: int
    of: int
    """Answers about which something is known: trouble with the machine is no failure."""


def random_bot(request: Request, rng: random.Random) -> str:
    """Proposes any contract; solves with any of a few bodies."""
    if request.role == "proposer":
        return sample(rng, rng.choice(LEVELS)).contract.text
    return f"return {rng.choice(('a', 'b+1', 'max(a,b)', 'a-b', '-c'))}"


def knowing_bot(request: Request, rng: random.Random) -> str:
    """Solves the starting contracts and those of the exam; otherwise like `random`."""
    known = _solutions().get(request.messages[-1].text)
    return f"return {known}" if request.role == "solver" and known else random_bot(request, rng)


@cache
def _solutions() -> dict[str, str]:
    every = [*starting(START), *(one for level in LEVELS for one in fixed(level, EXAM_SIZE, held_out=True))]
    return {one.contract.text: one.solution for one in every}


class ProposeSolveVerify(Game):
    """Short contracts, proposed, solved, and proved."""

    id = "propose_solve_verify"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "knowing": knowing_bot}

    proposer = duties.proposer(
        "Write a contract for f(a, b, c) over whole numbers: conditions on a, b, c and result, with ; between them.",
        Contract.parse,
    )
    solver = duties.solver("Write the body of f(a, b, c) in Python, so that it meets the contract.", body)

    attempts: int = 8
    """Solutions to each contract."""
    proposals: int = 8
    """To each prompt."""
    tries: int = 0
    """Solutions to a proposal in the match that made it, for which its proposer is paid; 0: none, it is not trained."""
    verifier: Literal["proof", "tests", "none"] = "proof"
    """Who says that a solution is right."""
    tests: int = 3
    """Inputs that the verifier `tests` tries."""
    labels: bool = True
    """The proposer is told difficulties."""
    start: int = START
    """Starting contracts, spread over the levels."""
    exam_size: int = EXAM_SIZE
    """Exam contracts of each level."""
    exam_temperature: float = 0.0
    """Held-out contracts are answered at this temperature; 0: as whoever examines wants it, which is greedily."""

    def expected(self) -> Iterator[Expected]:
        yield "attempts", self.attempts >= 1, "at least 1"
        yield "proposals", self.proposals >= 1, "at least 1"
        yield "tries", self.tries == 0 or self.tries >= 2, "0, or at least 2"
        yield "tests", self.tests >= 1, "at least 1"
        yield "start", self.start >= 1, "at least 1"
        yield "exam_temperature", self.exam_temperature >= 0.0, "0 or more"

    async def play(self, match: Match) -> None:
        task = match.task
        if isinstance(task, dict) and "examples" in task:
            await self.propose(match, Wish.from_task(task))
            return
        wanted = task.get("wanted") if isinstance(task, dict) else None
        start = starting(self.start)
        contract = match.rng.choice(start).contract if task is None else Contract.from_task(task)
        attempts = await self.solve(match, contract, self.attempts, wanted)
        if attempts.of:
            match.result(solver=attempts.solved / attempts.of)

    async def propose(self, match: Match, wish: Wish) -> None:
        """New contracts, of which those worth posing enter the pool."""
        proposals = await match.ask(self.proposer, wish.text(self.labels), n=self.proposals)
        found = await match.gather(*(self.enters(match, proposal, wish.wanted) for proposal in proposals))
        match.note(valid=sum(found) / len(found))
        match.show(f"{wish.wanted}: {sum(found)} of {len(found)} worth posing")

    async def enters(self, match: Match, proposal: Move, wanted: str) -> bool:
        """Have one proposal examined and, with `tries`, attempted; says whether it entered the pool."""
        if proposal.foul is not None:
            return False
        contract: Contract = proposal.value
        if contract.held_out:
            proposal.mask("held out for the exam")
            return False
        verdict = await match.check(Proofs(), contract.worth_posing(), about=proposal)
        if verdict.outcome in (Outcome.INVALID_CLAIM, Outcome.FAIL):
            proposal.penalise(f"{verdict.status}: {verdict.detail}", 0.0)
        if verdict.outcome is not Outcome.PASS:
            return False
        if self.tries:
            proposal.reward = learnability((await self.solve(match, contract, self.tries, wanted)).answers)
        else:
            proposal.mask("proposers are prompted, not trained")
            match.publish(POOL, contract.text, {**contract.task(), "wanted": wanted})
        return True

    async def solve(self, match: Match, contract: Contract, n: int, wanted: Json = None) -> Attempts:
        """Have a contract solved and the solutions judged; publish how many are right."""
        exam = contract.held_out
        warm = {"temperature": self.exam_temperature} if exam and self.exam_temperature else None
        answers = await match.ask(self.solver, contract.text, n=n, learn=not exam, sampling=warm)
        outcomes = await match.gather(*(self.judge(match, contract, answer) for answer in answers))
        found = Attempts(answers, outcomes.count(Outcome.PASS), n - outcomes.count(Outcome.NO_VERDICT))
        match.show(f"{contract.text}   {found.solved} of {found.of}")
        if not found.of:
            return found
        match.note(pass_rate=found.solved / found.of, undecided=outcomes.count(Outcome.UNDECIDED) / found.of)
        if wanted in DIFFICULTIES:
            match.note(**{f"rate_{wanted}": found.solved / found.of})
        if not exam:
            item = contract.task() if wanted is None else {**contract.task(), "wanted": wanted}
            match.publish(POOL, contract.text, item, solved=found.solved, of=found.of)
        return found

    async def judge(self, match: Match, contract: Contract, answer: Move) -> Outcome | None:
        """Reward one solution; `None` if it cannot be read."""
        if answer.foul is not None:
            return None
        if self.verifier == "none":
            outcome = Outcome.PASS
        elif self.verifier == "tests":
            few = contract.met_by(answer.value, checker="random_tests", limits=replace(LIMITS, tests=self.tests))
            outcome = (await match.check(Proofs(), few, about=answer)).outcome
        else:
            outcome = (await match.check(Proofs(), contract.met_by(answer.value), about=answer)).outcome
        if outcome is Outcome.INVALID_CLAIM:
            answer.mask("the contract is at fault")
        answer.reward = float(outcome is Outcome.PASS)
        if self.verifier != "proof" and outcome is Outcome.PASS:
            truth = await match.check(Proofs(), contract.met_by(answer.value))
            match.note(accepted_right=float(truth.outcome is Outcome.PASS), solution=answer.id)
        return outcome

    def exam(self) -> Exam:
        levels = {
            str(level): [one.contract.task() for one in fixed(level, self.exam_size, held_out=True)] for level in LEVELS
        }
        return Exam("solver", levels, settings={"attempts": 1, "verifier": "proof"})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        """Contracts in the company of others, levels told as difficulties; solutions, mostly of the easier levels."""
        while True:
            for _ in range(3):  # writing contracts is to be known well: solving them is what play has to teach
                told = rng.random() < 0.8  # so that one tiny model serves both settings of `labels`
                wish, proposed = _imagined(rng)
                yield self.proposer.demo(wish.text(told), proposed.contract.text)
            one = sample(rng, rng.choices(LEVELS, SOLVER_LEVELS)[0])
            yield self.solver.demo(one.contract.text, f"return {one.solution}")


def _imagined(rng: random.Random) -> tuple[Wish, Sample]:
    """A wish as a run may make it, and a contract that fulfils it: which levels are hard differs from run to run."""
    steps = sorted(rng.choices(range(len(DIFFICULTIES)), k=len(LEVELS)))
    levels: dict[str, list[int]] = {}
    for level, step in zip(LEVELS, steps, strict=True):
        levels.setdefault(DIFFICULTIES[step], []).append(level)
    examples = tuple((name, sample(rng, rng.choice(among)).contract) for name, among in levels.items())
    wanted = rng.choice(list(levels))
    return Wish(wanted, examples), sample(rng, rng.choice(levels[wanted]))
