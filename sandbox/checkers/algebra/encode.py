"""Trees -> z3 terms. Every term comes with the condition under which it has a value."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import z3

from selfplay.sandbox.checkers.algebra.problem import Problem
from selfplay.sandbox.checkers.algebra.tree import (
    Apply,
    Arith,
    Assignment,
    Compare,
    Condition,
    Distinct,
    Expr,
    Fails,
    Logic,
    Not,
    Num,
    Number,
    Power,
    Var,
)
from selfplay.sandbox.checkers.contracts.logic import Term, conj, disj, greater, imp, lesser, neg, quotient, remainder


class Meaning(NamedTuple):
    """A term, and whether it has a value."""

    term: Term
    defined: Term = True


class Encoder:
    """Encodes the conditions of one problem. `facts` grows by what is true of the roots that occur."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.variables = {
            name: (z3.Int if domain.kind == "int" else z3.Real)(name) for name, domain in problem.domains.items()
        }
        self.facts: list[Term] = []
        for name, domain in problem.domains.items():
            self.facts += [] if domain.low is None else [self.variables[name] >= domain.low]
            self.facts += [] if domain.high is None else [self.variables[name] <= domain.high]
        self._roots = 0

    def holds(self, condition: Condition) -> Term:
        """That a condition has a value and holds."""
        found = self.truth(condition)
        return conj([found.defined, found.term])

    def assignment(self, model: z3.ModelRef) -> Assignment:
        """The values that a model gives to the variables."""
        return {name: _number(model.eval(variable, model_completion=True)) for name, variable in self.variables.items()}

    def value(self, expr: Expr) -> Meaning:
        """A number."""
        match expr:
            case Num(value):
                return Meaning(_literal(value))
            case Var(name):
                return Meaning(self.variables[name])
            case Arith():
                return self._arith(expr)
            case Power(base, exponent):
                inner = self.value(base)
                product: Term = z3.IntVal(1)
                for _ in range(exponent):
                    product = product * inner.term
                return Meaning(product, inner.defined)
            case Apply("sqrt", (arg,)):
                return self._root(self.value(arg))
            case Apply("abs", (arg,)):
                inner = self.value(arg)
                return Meaning(z3.If(inner.term >= 0, inner.term, -inner.term), inner.defined)
            case Apply(name, args):
                parts = [self.value(arg) for arg in args]
                best, *others = _alike([part.term for part in parts])
                for other in others:
                    best = lesser(best, other) if name == "min" else greater(best, other)
                return Meaning(best, conj([part.defined for part in parts]))

    def _arith(self, expr: Arith) -> Meaning:
        left, right = self.value(expr.left), self.value(expr.right)
        defined = conj([left.defined, right.defined])
        a, b = left.term, right.term
        match expr.op:
            case "+":
                return Meaning(a + b, defined)
            case "-":
                return Meaning(a - b, defined)
            case "*":
                return Meaning(a * b, defined)
            case "/":
                return Meaning(_real(a) / _real(b), conj([defined, b != 0]))
        divide = quotient if expr.op == "//" else remainder
        divisor = expr.right.value if isinstance(expr.right, Num) else b
        return Meaning(divide(a, divisor), conj([defined, b != 0]))

    def _root(self, of: Meaning) -> Meaning:
        self._roots += 1
        root = z3.Real(f"root!{self._roots}")
        self.facts += [root >= 0, z3.Implies(of.term >= 0, root * root == _real(of.term))]
        return Meaning(root, conj([of.defined, of.term >= 0]))

    def truth(self, condition: Condition) -> Meaning:
        """A truth value."""
        match condition:
            case Compare(op, left, right):
                a, b = self.value(left), self.value(right)
                return Meaning(_compare(op, a.term, b.term), conj([a.defined, b.defined]))
            case Logic("iff", (first, second)):
                p, q = self.truth(first), self.truth(second)
                return Meaning(p.term == q.term, conj([p.defined, q.defined]))
            case Logic(op, parts):
                return self._logic(op, [self.truth(part) for part in parts])
            case Not(part):
                inner = self.truth(part)
                return Meaning(neg(inner.term), inner.defined)
            case Distinct(items):
                values = [self.value(item) for item in items]
                return Meaning(z3.Distinct(_alike([v.term for v in values])), conj([v.defined for v in values]))
            case Fails(part):
                return Meaning(neg(self.holds(part)))

    def _logic(self, op: str, parts: list[Meaning]) -> Meaning:
        """Parts have to have a value only as far as they are looked at."""
        join = conj if op == "and" else disj
        defined: list[Term] = []
        reached: list[Term] = []
        for part in parts:
            defined.append(imp(conj(reached), part.defined))
            reached.append(part.term if op == "and" else neg(part.term))
        return Meaning(join([part.term for part in parts]), conj(defined))


def _compare(op: str, a: Term, b: Term) -> Term:
    match op:
        case "==":
            return a == b
        case "!=":
            return a != b
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
    return a >= b


def _literal(value: Number) -> Term:
    if isinstance(value, int):
        return z3.IntVal(value)
    if isinstance(value, Fraction):
        return z3.Q(value.numerator, value.denominator)
    return z3.AlgebraicNumRef(value.ast, value.ctx)


def _number(value: Term) -> Number:
    if z3.is_int_value(value):
        return value.as_long()
    if z3.is_rational_value(value):
        fraction = value.as_fraction()
        return fraction.numerator if fraction.denominator == 1 else fraction
    from z3.z3num import Numeral

    return Numeral(value)


def _real(term: Term) -> Term:
    return z3.ToReal(term) if z3.is_int(term) else term


def _alike(terms: list[Term]) -> list[Term]:
    return terms if all(map(z3.is_int, terms)) else [_real(term) for term in terms]
