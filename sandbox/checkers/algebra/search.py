"""Assignments without a prover: trying one, trying all of a finite problem, guessing a few of an infinite one.

Trying all goes variable by variable and looks at each condition as soon as its variables have values, so that sudokus
and the like end early. Steps are counted, not seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from fractions import Fraction

from selfplay.sandbox.checkers.algebra.evaluate import Truth, compile_test
from selfplay.sandbox.checkers.algebra.problem import Problem
from selfplay.sandbox.checkers.algebra.tree import Assignment, Condition, Num, Number, names, walk


class OutOfSteps(Exception):
    """The budget was spent before everything was tried."""


def violated(problem: Problem, assignment: Assignment) -> str | None:
    """What an assignment does not satisfy: the first constraint's text, or a domain; `None`: it is a solution."""
    for name, domain in problem.domains.items():
        if not domain.has(assignment[name]):
            return f"{name} is {domain}"
    failing = (c for c in problem.constraints if not compile_test(c.condition)(assignment))
    return next((constraint.text for constraint in failing), None)


def solutions(problem: Problem, extra: Sequence[Condition] = (), steps: int = 1_000_000) -> Iterator[Assignment]:
    """All solutions of a finite problem that satisfy `extra` too, in a fixed order.

    Raises:
        OutOfSteps: `steps` values were tried.
    """
    order = _order(problem)
    due = _due(problem, extra, order)
    ranges = [problem.domains[name].values or range(0) for name in order]
    env: Assignment = {}
    left = steps

    def below(depth: int) -> Iterator[Assignment]:
        nonlocal left
        if depth == len(order):
            yield {name: env[name] for name in problem.domains}
            return
        for value in ranges[depth]:
            left -= 1
            if left < 0:
                raise OutOfSteps
            env[order[depth]] = value
            if all(test(env) for test in due[depth]):
                yield from below(depth + 1)

    return below(0)


def _order(problem: Problem) -> list[str]:
    """Variables so that conditions can be looked at early: next comes the one that shares most with those before."""
    scopes = [names(constraint.condition) for constraint in problem.constraints]
    order: list[str] = []
    left = list(problem.domains)
    while left:
        chosen = set(order)

        def ready(name: str, chosen: set[str] = chosen) -> tuple[int, int]:
            mine = [scope for scope in scopes if name in scope]
            return sum(scope <= chosen | {name} for scope in mine), sum(bool(scope & chosen) for scope in mine)

        best = max(left, key=ready)  # the first of equals, so the order is fixed
        order.append(best)
        left.remove(best)
    return order


def _due(problem: Problem, extra: Sequence[Condition], order: list[str]) -> list[list[Truth]]:
    """For each variable the conditions that can be looked at once it has a value."""
    due: list[list[Truth]] = [[] for _ in order]
    for condition in [*(constraint.condition for constraint in problem.constraints), *extra]:
        last = max((order.index(name) for name in names(condition)), default=0)
        due[last].append(compile_test(condition))
    return due


def guesses(problem: Problem, extra: Sequence[Condition], count: int, seed: int) -> Iterator[Assignment]:
    """Random assignments within the domains: small numbers, and the problem's own literals and their neighbours."""
    rng = random.Random(seed)
    nodes = [node for c in problem.constraints for node in walk(c.condition)]
    nodes += [node for condition in extra for node in walk(condition)]
    literals = sorted({node.value for node in nodes if isinstance(node, Num) and isinstance(node.value, int)})
    near = [value + step for value in literals or [0] for step in (-1, 0, 1)]

    def one(name: str, size: int) -> Number:
        domain = problem.domains[name]
        low = -size if domain.low is None else domain.low
        high = max(low, size) if domain.high is None else domain.high
        value: Number = rng.randint(low, high)
        if rng.random() < 0.3 and domain.has(close := rng.choice(near)):
            value = close
        if domain.kind == "real" and rng.random() < 0.3 and domain.has(half := value + Fraction(1, 2)):
            value = half
        return value

    for number in range(count):
        yield {name: one(name, 2 + number // 4) for name in problem.domains}
