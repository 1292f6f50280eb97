"""Multiplication: a proposer asks for products, solvers work them out, and their majority is the answer key.

    Product of 3 by 1 digits:        ->        417*6        417*6=        ->        2502

Self-Questioning Language Models (arXiv 2508.03682), arithmetic. No answer key is used: an answer earns 1 for saying
what most answers to the same product say. The proposer earns 1 where the answers agree neither too little nor too much,
for which the paper has two rules, both here by name (``band``):

    formula   0 < count < n    count = answers that agree with the majority, which is at least 1: the product that
                               everybody answers differently, count = 1, pays
    code      1 < count < n    what the text and the released code say: it does not

A proposal that cannot be read teaches nobody: it is masked, and nobody is asked to answer it. Answers that cannot be
read never win a vote. A recipe says the rest: the proposer learns in every k-th update (`roles.proposer.update_every`)
or not at all (``roles.proposer.weights = "frozen"``). A good proposer stays at the edge of what solvers can do; a good
solver is right, which no vote can enforce: errors that most answers share are reinforced.

One product in eight is held out: the exam asks those, nobody is ever trained on one, and a proposal of one is masked.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from selfplay import seeds
from selfplay.envs.labels import EXAM_SETTINGS, Labelled
from selfplay.errors import UsageError
from selfplay.game import Demo, Exam, Expected, Foul, mask
from selfplay.match import Match
from selfplay.rewards import band, band_code
from selfplay.roles import duties
from selfplay.roles.exams import different
from selfplay.roles.formats import integer
from selfplay.types import Json, Move, Request

HELD_OUT = 8
"""One product in so many is held out, by hash: for every run, on every machine, the same ones."""
BANDS = {"formula": band, "code": band_code}
"""What a proposal earns for the answers to it, by the name of the rule."""
_PRODUCT = re.compile(r"\s*([1-9][0-9]{0,5})\s*[*x]\s*([1-9][0-9]{0,5})\s*")


class Product(NamedTuple):
    """Two factors to be multiplied."""

    a: int
    b: int

    @classmethod
    def parse(cls, text: str) -> Product:
        """Read ``37*4``.

        Raises:
            Foul: it is anything else.
        """
        found = _PRODUCT.fullmatch(text)
        if not found:
            raise Foul("two whole numbers of at most 6 digits with * between them were expected")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def from_task(cls, task: Json) -> Product:
        """Read a task, ``[37, 4]``.

        Raises:
            UsageError: it is something else.
        """
        match task:
            case [int(a), int(b)] if a > 0 and b > 0:
                return cls(a, b)
        raise UsageError(f"the task {task!r} is no product; one is [37, 4]")

    @property
    def value(self) -> int:
        return self.a * self.b

    @property
    def digits(self) -> tuple[int, int]:
        return len(str(self.a)), len(str(self.b))

    @property
    def held_out(self) -> bool:
        """Belongs to the exam; a*b and b*a both do or both do not."""
        return seeds.derive(0, "multiplication", min(self), max(self)) % HELD_OUT == 0

    def text(self) -> str:
        """What the solver sees."""
        return f"{self.a}*{self.b}="


def random_product(rng: random.Random, digits: tuple[int, int], *, held_out: bool = False) -> Product:
    """A random product of these digits that is (not) held out."""
    while True:
        product = Product(*(rng.randint(10 ** (n - 1), 10**n - 1) for n in digits))
        if product.held_out == held_out:
            return product


@cache
def fixed_products(digits: tuple[int, int], count: int, *, held_out: bool) -> tuple[Product, ...]:
    """Different products, the same ones always; fewer than `count` only where there hardly are more."""
    rng = seeds.rng(0, "multiplication", *digits, held_out)
    return different(lambda: random_product(rng, digits, held_out=held_out), count, patience=20_000)


def random_bot(request: Request, rng: random.Random) -> str:
    """Proposes any product of the wanted digits; answers with any number of a plausible length."""
    first, second = _numbers(request)
    if request.role == "proposer":
        product = random_product(rng, (first, second))
        return f"{product.a}*{product.b}"
    return str(rng.randint(10 ** (len(str(first * second)) - 1), first * second + 9))


def calculator_bot(request: Request, rng: random.Random) -> str:
    """Answers every product; proposes at random."""
    if request.role == "proposer":
        return random_bot(request, rng)
    first, second = _numbers(request)
    return str(first * second)


def _numbers(request: Request) -> tuple[int, int]:
    first, second = re.findall("[0-9]+", request.messages[-1].text)
    return int(first), int(second)


class Multiplication(Labelled):
    """Products, proposed and solved; a majority of answers stands in for the answer key."""

    id = "multiplication"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "calculator": calculator_bot}

    proposer = duties.proposer("Write a product of two numbers.", Product.parse, foul=mask())
    solver = duties.solver("Work out the product.", integer(0))
    labeller = duties.solver("Work out the product.", integer(0))

    digits: tuple[int, int] = (3, 1)
    """Digits of the two factors."""
    band: Literal["formula", "code"] = "code"
    """When a proposal earns 1: `code` if 1 < count < n answers are called right, `formula` if 0 < count < n."""
    invalid: float | None = None
    """What a proposal costs that cannot be read or has other digits; without a number it is masked."""
    prompts: int = 0
    """So many fixed products take the place of the proposer, whom nobody asks; 0: it proposes."""
    careless: float = 0.12
    """Chance of each digit in a demonstration's answer to be any digit: plants a player whose majority knows better."""
    exam_size: int = 200
    """Products in the exam."""

    def expected(self) -> Iterator[Expected]:
        yield from super().expected()
        yield "digits", all(1 <= n <= 6 for n in self.digits), "two numbers from 1 to 6"
        yield "prompts", self.prompts >= 0, "0 or more"
        yield "careless", 0.0 <= self.careless <= 1.0, "0 to 1"
        yield "exam_size", self.exam_size >= 1, "at least 1"

    async def play(self, match: Match) -> None:
        if match.task is not None:  # from the exam, a file, or the pool of earlier proposals
            await self.solve(match, Product.from_task(match.task))
        elif self.prompts:
            await self.solve(match, match.rng.choice(fixed_products(self.digits, self.prompts, held_out=False)))
        else:
            await self.propose(match)

    async def propose(self, match: Match) -> None:
        """One proposal, the answers to it, and what it earns for them."""
        (proposal,) = await match.ask(self.proposer, self.wish(), n=1)  # a list: here a foul costs what `invalid` says
        product: Product = proposal.value
        if proposal.foul is None and product.digits != self.digits:
            proposal.foul = f"{product.digits[0]} by {product.digits[1]} digits were not asked for"
        if proposal.foul is not None:
            proposal.why_masked = None
            proposal.penalise(proposal.foul, self.invalid)
        elif product.held_out:
            proposal.mask("held out for the exam")
        else:
            answers = await self.solve(match, product)
            proposal.reward = BANDS[self.band](answers)

    async def solve(self, match: Match, product: Product) -> list[Move]:
        """Have a product answered, and show and publish how it went."""
        answers = await self.answers(
            match, product.text(), product.value, lambda value: value, learn=not product.held_out
        )
        if not answers:
            return []
        agreed = sum(answer.reward == 1.0 for answer in answers)
        right = sum(answer.value == product.value for answer in answers)
        match.show(f"{product.text()}{product.value}   {right} of {len(answers)} right, {agreed} rewarded")
        match.publish("pool", product.text(), list(product), solved=agreed, of=len(answers))
        return answers

    def wish(self) -> str:
        """What the proposer is asked for."""
        return f"Product of {self.digits[0]} by {self.digits[1]} digits:"

    def exam(self) -> Exam:
        tasks = [list(product) for product in fixed_products(self.digits, self.exam_size, held_out=True)]
        level = "x".join(map(str, self.digits))
        return Exam("solver", {level: tasks}, settings=EXAM_SETTINGS)

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            proposed = random_product(rng, self.digits)
            yield self.proposer.demo(self.wish(), f"{proposed.a}*{proposed.b}")
            for role in (self.solver, self.solver, self.labeller):  # solving takes more practice than proposing
                product = random_product(rng, self.digits)
                digits = [rng.choice("0123456789") if rng.random() < self.careless else d for d in str(product.value)]
                yield role.demo(product.text(), "".join(digits))
