"""From Python's syntax tree to typed expressions, by whitelist."""

from __future__ import annotations

import ast
from typing import Literal, NoReturn, cast

from selfplay.sandbox.checkers.contracts.calls import CallReader
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.contracts.sorts import (
    BOOL,
    INT,
    STR,
    DictOf,
    Hole,
    ListOf,
    Sort,
    TupleOf,
    hashable,
    same,
)
from selfplay.sandbox.checkers.contracts.source import MAX_BITS, shown
from selfplay.sandbox.checkers.contracts.tree import (
    Arith,
    Builtin,
    Choice,
    Compare,
    Const,
    Display,
    Expr,
    Item,
    Join,
    Let,
    Logic,
    Member,
    NewDict,
    Not,
    Pair,
    Part,
    Repeat,
    Slice,
    Var,
)

MAX_EXPONENT = 8
"""Of a variable base; powers are products."""
_ARITH: dict[type[ast.operator], Literal["+", "-", "*", "//", "%"]] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Literal["==", "!=", "<", "<=", ">", ">="]] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


class Reader(CallReader):
    """Reads expressions in a scope; calls and comprehensions are in the base class."""

    def expr(self, node: ast.expr, want: Sort | None = None) -> Expr:
        """The expression, of type `want` if that is given.

        Raises:
            Fault: it is outside the language or has another type.
        """
        found = self._read(node)
        while isinstance(found.sort, Hole) and found.sort.filled:
            found.sort = found.sort.filled
        if want is not None and not same(found.sort, want):
            raise malformed(node.lineno, f"`{shown(node)}` is of type {found.sort}, not {want}")
        return found

    def _read(self, node: ast.expr) -> Expr:
        line = node.lineno
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name(id=name):
                return self._name(name, line)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(line, BOOL, self.expr(operand, BOOL))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._negative(self.expr(operand, INT))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expr(operand, INT)
            case ast.BoolOp(op=op, values=values):
                kind: Literal["and", "or"] = "and" if isinstance(op, ast.And) else "or"
                return Logic(line, BOOL, kind, tuple(self.expr(value, BOOL) for value in values))
            case ast.BinOp():
                return self._binary(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp(test=test, body=then, orelse=otherwise):
                choice = self.expr(then)
                return Choice(line, choice.sort, self.expr(test, BOOL), choice, self.expr(otherwise, choice.sort))
            case ast.Subscript(value=base, slice=index):
                return self._subscript(self.expr(base), index)
            case ast.List(elts=elements):
                return self._display(line, elements)
            case ast.Tuple(elts=elements) if len(elements) > 1:
                items = tuple(map(self.expr, elements))
                return Pair(line, TupleOf(tuple(item.sort for item in items)), items)
            case ast.Dict():
                return self._dict(node)
            case ast.ListComp(elt=body, generators=generators):
                return self.fold("list", body, generators, line)
            case ast.Call():
                return self.call(node)
        self._outside(node)

    def _outside(self, node: ast.AST) -> NoReturn:
        raise malformed(getattr(node, "lineno", 0), f"`{shown(node)}` ({type(node).__name__}) is outside the language")

    def _constant(self, node: ast.Constant) -> Expr:
        match node.value:
            case bool(value):
                return Const(node.lineno, BOOL, value)
            case int(value):
                self.scope.names.constants.setdefault(value)
                return Const(node.lineno, INT, value)
            case str(value):
                return Const(node.lineno, STR, value)
        self._outside(node)

    def _name(self, name: str, line: int) -> Expr:
        scope = self.scope
        if name in scope.bound:
            unique, sort = scope.bound[name]
            return Var(line, sort, unique)
        if name == "result" and scope.result is not None:
            return Var(line, scope.result, name)
        if name in scope.defined:
            return Var(line, scope.sorts[name], name)
        if name in scope.sorts:
            raise malformed(line, f"{name!r} may have no value here")
        raise malformed(line, f"unknown name {name!r}")

    def _negative(self, operand: Expr) -> Expr:
        if isinstance(operand, Const):
            return Const(operand.line, INT, -int(operand.value))
        return Arith(operand.line, INT, "-", Const(operand.line, INT, 0), operand)

    def _binary(self, node: ast.BinOp) -> Expr:
        line = node.lineno
        if isinstance(node.op, ast.Pow):
            return self._power(self.expr(node.left, INT), self.expr(node.right, INT))
        if type(node.op) not in _ARITH:
            hint = "; use // for integer division" if isinstance(node.op, ast.Div) else ""
            raise malformed(line, f"`{shown(node)}`: this operator is outside the language{hint}")
        op = _ARITH[type(node.op)]
        left, right = self.expr(node.left), self.expr(node.right)
        sequences = isinstance(left.sort, ListOf) or left.sort == STR
        if op == "+" and sequences and same(left.sort, right.sort):
            return Join(line, left.sort, left, right)
        if op == "*" and isinstance(left, Display) and len(left.items) == 1 and right.sort == INT:
            return Repeat(line, left.sort, left.items[0], right)
        if not (same(left.sort, INT) and same(right.sort, INT)):
            raise malformed(line, f"`{shown(node)}`: {op} of {left.sort} and {right.sort}")
        return Arith(line, INT, op, left, right)

    def _power(self, base: Expr, exponent: Expr) -> Expr:
        if not isinstance(exponent, Const) or exponent.value < 0:  # type: ignore[operator]
            raise malformed(base.line, "the exponent of ** must be a literal that is not negative")
        power = int(exponent.value)
        if isinstance(base, Const):
            if int(base.value).bit_length() * power > MAX_BITS:
                raise malformed(base.line, f"a constant power of more than {MAX_BITS} bits")
            value = int(base.value) ** power
            self.scope.names.constants.setdefault(value)
            return Const(base.line, INT, value)
        if not 1 <= power <= MAX_EXPONENT:
            raise malformed(base.line, f"the exponent of a variable must be 1 to {MAX_EXPONENT}")
        product = base
        for _ in range(power - 1):
            product = Arith(base.line, INT, "*", product, base)
        return product

    def _comparison(self, node: ast.Compare) -> Expr:
        parts: list[Expr] = []
        left = self.expr(node.left)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                member = self._membership(left, right_node)
                parts.append(Not(node.lineno, BOOL, member) if isinstance(op, ast.NotIn) else member)
                right = left
                if len(node.ops) > 1:
                    raise malformed(node.lineno, "`in` cannot be chained with other comparisons")
            else:
                right = self.expr(right_node)
                parts.append(self._compared(node, op, left, right))
            left = right
        return parts[0] if len(parts) == 1 else Logic(node.lineno, BOOL, "and", tuple(parts))

    def _compared(self, node: ast.Compare, op: ast.cmpop, left: Expr, right: Expr) -> Expr:
        if type(op) not in _COMPARE:
            self._outside(node)
        sign = _COMPARE[type(op)]
        if not same(left.sort, right.sort):
            raise malformed(node.lineno, f"`{shown(node)}` compares {left.sort} with {right.sort}")
        if sign not in ("==", "!=") and not (same(left.sort, INT) or left.sort == STR):
            raise malformed(node.lineno, f"`{shown(node)}`: {sign} compares ints and strings only, not {left.sort}")
        return Compare(node.lineno, BOOL, sign, left, right)

    def _membership(self, item: Expr, base_node: ast.expr) -> Expr:
        line = base_node.lineno
        match base_node:
            case ast.Call(func=ast.Name(id="range")):
                with self.scope.binding():
                    domain = self.domain(base_node, ast.Name(id="_", lineno=line))
                    names = [self.scope.bind(hint, INT, line) for hint in ("_low", "_item", "_high")]
                if domain.step == 1 and same(item.sort, INT):
                    low, it, high = (Var(line, INT, name) for name in names)
                    ends = (Compare(line, BOOL, "<=", low, it), Compare(line, BOOL, "<", it, high))
                    inside: Expr = Logic(line, BOOL, "and", ends)
                    values = (cast("Expr", domain.start), item, cast("Expr", domain.stop))
                    for name, value in zip(names, values, strict=True):
                        inside = Let(line, BOOL, name, value, inside)
                    return inside
            case ast.Tuple(elts=elements):
                return Member(line, BOOL, item, self._display(line, elements, item.sort))
            case _:
                base = self.expr(base_node)
                match base.sort:
                    case ListOf(sort) | DictOf(sort, _) if same(sort, item.sort):
                        return Member(line, BOOL, item, base)
                if base.sort == STR == item.sort:
                    return Member(line, BOOL, item, base)
        raise malformed(line, f"`in {shown(base_node)}` does not fit an item of type {item.sort}")

    def _subscript(self, base: Expr, index: ast.expr) -> Expr:
        line = base.line
        if isinstance(index, ast.Slice):
            return self._slice(base, index)
        match base.sort:
            case TupleOf(items):
                number = self.expr(index, INT)
                if not isinstance(number, Const) or not -len(items) <= int(number.value) < len(items):
                    raise malformed(line, f"a tuple's index must be a literal below {len(items)}")
                place = int(number.value) % len(items)
                return Part(line, items[place], base, place)
            case DictOf(key, value):
                return Item(line, value, base, self.expr(index, key))
            case ListOf(item):
                return Item(line, item, base, self.expr(index, INT))
        if base.sort == STR:
            return Item(line, STR, base, self.expr(index, INT))
        raise malformed(line, f"a value of type {base.sort} has no items")

    def _slice(self, base: Expr, index: ast.Slice) -> Expr:
        line = base.line
        if not (isinstance(base.sort, ListOf) or base.sort == STR):
            raise malformed(line, f"a value of type {base.sort} has no slices")
        start = self.expr(index.lower, INT) if index.lower else None
        stop = self.expr(index.upper, INT) if index.upper else None
        if index.step is None:
            return Slice(line, base.sort, base, start, stop)
        step = self.expr(index.step, INT)
        if start is None and stop is None and isinstance(step, Const) and step.value == -1:
            return Builtin(line, base.sort, "reversed", (base,))
        raise malformed(line, "slices have no step, except [::-1]")

    def _display(self, line: int, elements: list[ast.expr], item: Sort | None = None) -> Expr:
        sort = item or Hole()
        return Display(line, ListOf(sort), tuple(self.expr(element, sort) for element in elements))

    def _dict(self, node: ast.Dict) -> Expr:
        key, value = Hole(), Hole()
        pairs = []
        for k, v in zip(node.keys, node.values, strict=True):
            if k is None:
                self._outside(node)
            pairs.append((self.expr(k, key), self.expr(v, value)))
        if pairs and not hashable(pairs[0][0].sort):
            raise malformed(
                node.lineno, f"keys of type {pairs[0][0].sort}; allowed are ints and bools, and tuples of them"
            )
        return NewDict(node.lineno, DictOf(key, value), tuple(pairs))
