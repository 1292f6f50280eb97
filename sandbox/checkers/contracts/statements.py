"""From Python's syntax tree to typed statements: assignment, branches, loops, with definite assignment."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from selfplay.sandbox.checkers.contracts.expressions import Reader
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.contracts.scope import Scope
from selfplay.sandbox.checkers.contracts.sorts import (
    BOOL,
    INT,
    NONE,
    STR,
    DictOf,
    ListOf,
    Sort,
    TupleOf,
    read_sort,
    same,
)
from selfplay.sandbox.checkers.contracts.source import shown
from selfplay.sandbox.checkers.contracts.tree import (
    Append,
    Assert,
    Assign,
    Call,
    Clause,
    Do,
    Domain,
    Expr,
    For,
    If,
    Leave,
    Place,
    Return,
    Stmt,
    While,
)


class BodyReader(Reader):
    """Reads the statements of one function."""

    def __init__(self, scope: Scope, returns: Sort) -> None:
        super().__init__(scope)
        self.returns = returns
        self.hints: dict[str, Sort] = {}
        """Types of variables that are returned; an empty list does not say what it is a list of."""

    def block(self, nodes: Sequence[ast.stmt]) -> tuple[list[Stmt], bool]:
        """The statements, and whether control can reach their end."""
        found: list[Stmt] = []
        goes_on = True
        for node in nodes:
            statements, falls_through = self._statement(node)
            found += statements
            goes_on = goes_on and falls_through
        return found, goes_on

    def clauses(self, calls: Sequence[ast.Call]) -> list[Clause]:
        """The conditions of `requires`, `ensures` or `invariant` calls, split at ``and``."""
        return [clause for call in calls for arg in call.args for clause in self.clause(arg)]

    def clause(self, node: ast.expr, text: str = "") -> list[Clause]:
        """One condition, as one clause for each part of a top-level ``and``."""
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            return [clause for part in node.values for clause in self.clause(part)]
        return [Clause(text or shown(node), node.lineno, self.expr(node, BOOL))]

    def _statement(self, node: ast.stmt) -> tuple[list[Stmt], bool]:
        line = node.lineno
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
                return [], True
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value, simple=1):
                sort = read_sort(node.annotation, f"variable {name!r}")
                found = self.expr(value, sort)
                return [Assign(line, (self._variable(name, sort, line),), found)], True
            case ast.Assign(targets=[target], value=value):
                return [self._assign(target, value, line)], True
            case ast.AugAssign(target=target, value=value):
                return [self._augmented(node)], True
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[item])):
                return [Append(line, name, self.expr(item, self._item_of(name, line)))], True
            case ast.Expr(value=ast.Call() as call):
                return [self._lemma(call)], True
            case ast.If():
                return self._branch(node)
            case ast.While(orelse=[]):
                return [self._while(node)], True
            case ast.For(orelse=[]):
                return [self._for(node)], True
            case ast.Break() | ast.Continue():
                return [Leave(line, "break" if isinstance(node, ast.Break) else "continue")], False
            case ast.Return(value=value):
                return [self._return(value, line)], False
            case ast.Assert(test=test):
                if any(isinstance(part, ast.Name) and part.id in ("old", "implies") for part in ast.walk(test)):
                    raise malformed(
                        line, "Python runs asserts: old() has no meaning there; write implies as `not p or q`"
                    )
                with self.scope.specifying():
                    return [Assert(line, self.expr(test, BOOL), shown(test))], True
        raise malformed(line, f"`{shown(node)}` ({type(node).__name__}) is outside the language")

    def _variable(self, name: str, sort: Sort, line: int) -> Place:
        scope = self.scope
        scope.names.claim(name, line, "a variable")
        if name in scope.loops:
            raise malformed(line, f"{name!r} is the variable of a `for` loop that is still going on")
        if name in scope.sorts and not same(scope.sorts[name], sort):
            raise malformed(line, f"{name!r} changes its type from {scope.sorts[name]} to {sort}")
        if sort == NONE:
            raise malformed(line, f"{name!r} would be None")
        scope.sorts.setdefault(name, sort)
        scope.defined.add(name)
        return Place(name, scope.sorts[name])

    def _assign(self, target: ast.expr, value: ast.expr, line: int) -> Stmt:
        found = self.expr(value)
        if isinstance(target, ast.Name) and target.id in self.hints and isinstance(value, ast.List):
            same(found.sort, self.hints[target.id])
        if not isinstance(target, ast.Tuple):
            return Assign(line, (self._place(target, found.sort),), found)
        if not isinstance(found.sort, TupleOf) or len(found.sort.items) != len(target.elts):
            raise malformed(line, f"{len(target.elts)} targets for a value of type {found.sort}")
        pairs = zip(target.elts, found.sort.items, strict=True)
        return Assign(line, tuple(self._place(part, sort) for part, sort in pairs), found)

    def _place(self, target: ast.expr, sort: Sort) -> Place:
        line = target.lineno
        if isinstance(target, ast.Name):
            return self._variable(target.id, sort, line)
        indices: list[ast.expr] = []
        base = target
        while isinstance(base, ast.Subscript) and not isinstance(base.slice, ast.Slice):
            indices.insert(0, base.slice)
            base = base.value
        if not isinstance(base, ast.Name) or not indices:
            raise malformed(line, f"`{shown(target)}` cannot be assigned to")
        inner: Sort = self.expr(base).sort
        path: list[Expr] = []
        for index in indices:
            match inner:
                case ListOf(item):
                    path.append(self.expr(index, INT))
                    inner = item
                case DictOf(key, item):
                    path.append(self.expr(index, key))
                    inner = item
                case _:
                    raise malformed(line, f"`{shown(target)}`: items of {inner} cannot be assigned to")
        if not same(inner, sort):
            raise malformed(line, f"`{shown(target)}` is of type {inner}, not {sort}")
        return Place(base.id, self.scope.sorts.get(base.id, inner), tuple(path))

    def _augmented(self, node: ast.AugAssign) -> Stmt:
        line, target = node.lineno, node.target
        combined = ast.BinOp(target, node.op, node.value, lineno=line, col_offset=0)
        value = self.expr(combined)
        place = self._place(target, value.sort)
        if isinstance(value.sort, ListOf) and not place.path:  # changes the list in place
            if isinstance(node.value, ast.List) and len(node.value.elts) == 1:
                return Append(line, place.name, self.expr(node.value.elts[0], value.sort.item))
            raise malformed(line, "`+=` on a list takes a list of one item; otherwise write `a = a + b`")
        return Assign(line, (place,), value)

    def _item_of(self, name: str, line: int) -> Sort:
        sort = self.expr(ast.Name(id=name, lineno=line)).sort
        if not isinstance(sort, ListOf):
            raise malformed(line, f"{name!r} is of type {sort} and has no append()")
        return sort.item

    def _lemma(self, call: ast.Call) -> Stmt:
        if isinstance(call.func, ast.Name) and call.func.id in ("requires", "ensures", "invariant", "decreases"):
            where = "of the loop" if call.func.id in ("invariant", "decreases") else "of the function"
            raise malformed(call.lineno, f"{call.func.id}(...) belongs at the very beginning {where}")
        found = self.expr(call)
        if not isinstance(found, Call):
            raise malformed(call.lineno, f"`{shown(call)}` has no effect")
        return Do(call.lineno, found)

    def _branch(self, node: ast.If) -> tuple[list[Stmt], bool]:
        test = self.expr(node.test, BOOL)
        before = set(self.scope.defined)
        then, then_on = self.block(node.body)
        after_then, self.scope.defined = self.scope.defined, before
        otherwise, otherwise_on = self.block(node.orelse)
        if then_on:
            both = after_then & self.scope.defined
            self.scope.defined = both if otherwise_on else after_then
        return [If(node.lineno, test, then, otherwise)], then_on or otherwise_on

    def _while(self, node: ast.While) -> Stmt:
        line = node.lineno
        clauses, measures, rest = split_contract(node.body, ("invariant", "decreases"))
        if len(measures) != 1 or not measures[0].args:
            raise malformed(
                line, "a `while` loop needs one decreases(...): an int that gets smaller and never negative"
            )
        with self.scope.specifying():
            invariants = self.clauses(clauses)
            measure = tuple(self.expr(arg, INT) for arg in measures[0].args)
        test = self.expr(node.test, BOOL)
        before = set(self.scope.defined)
        body, _ = self.block(rest)
        self.scope.defined = before
        return While(line, test, invariants, measure, body)

    def _for(self, node: ast.For) -> Stmt:
        line, scope = node.lineno, self.scope
        clauses, measures, rest = split_contract(node.body, ("invariant", "decreases"))
        if measures:
            raise malformed(measures[0].lineno, "a `for` loop always ends and takes no decreases(...)")
        domain = self.domain(node.iter, node.target, loop=True)
        before = set(scope.defined)
        sorts = loop_sorts(domain)
        for name, sort in sorts.items():
            self._variable(name, sort, line)
        hidden = domain.names[-1:] if domain.items else ()
        with scope.specifying():
            scope.defined -= {*hidden}  # there is no item when the loop is over
            invariants = self.clauses(clauses)
        scope.defined |= {*hidden}
        scope.loops += domain.names
        body, _ = self.block(rest)
        del scope.loops[len(scope.loops) - len(domain.names) :]
        scope.defined = before - {*domain.names}
        return For(line, domain, invariants, body)

    def _return(self, value: ast.expr | None, line: int) -> Stmt:
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            if self.returns != NONE:
                raise malformed(line, f"returns nothing instead of {self.returns}")
            return Return(line, None)
        return Return(line, self.expr(value, self.returns))


def loop_sorts(domain: Domain) -> dict[str, Sort]:
    """The types of a domain's variables."""
    if domain.items is None:
        return {domain.names[0]: INT}
    item = domain.items.sort.item if isinstance(domain.items.sort, ListOf) else STR
    return dict(zip(domain.names, [INT, item] if domain.counted else [item], strict=True))


def returned_names(body: Sequence[ast.stmt], returns: Sort) -> dict[str, Sort]:
    """Variables that are returned as they are, or as parts of a tuple, with the types this gives them."""
    found: dict[str, Sort] = {}
    for statement in body:
        for node in ast.walk(statement):
            match node:
                case ast.Return(value=ast.Name(id=name)):
                    found[name] = returns
                case ast.Return(value=ast.Tuple(elts=parts)) if isinstance(returns, TupleOf):
                    pairs = zip(parts, returns.items, strict=False)
                    found |= {part.id: sort for part, sort in pairs if isinstance(part, ast.Name)}
    return found


def split_contract(
    body: Sequence[ast.stmt], words: tuple[str, str]
) -> tuple[list[ast.Call], list[ast.Call], list[ast.stmt]]:
    """The leading calls of the two words, and the rest of the body."""
    found: dict[str, list[ast.Call]] = {word: [] for word in words}
    for number, node in enumerate(body):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case ast.Expr(value=ast.Call(func=ast.Name(id=name), keywords=[]) as call) if name in words:
                found[name].append(call)
            case _:
                return found[words[0]], found[words[1]], list(body[number:])
    return found[words[0]], found[words[1]], []
