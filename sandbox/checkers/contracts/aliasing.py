"""Refuses programs in which one list or dictionary could be changed under two names.

The encoder gives lists the meaning of values: changing one never changes another. Python's lists are objects. The two
agree where nothing that has two names is ever changed in place, and that is what this module makes sure of, without
regard to order: names that may share an object form a class, and a class of more than one name (or of one name whose
own items may be shared) must have no member that is appended to or assigned items of. Parameters belong to the caller
and are never changed; after `a = a[:]` at the outermost level of the function, `a` is another variable.
"""

from __future__ import annotations

from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.contracts.sorts import ListOf, holds_lists
from selfplay.sandbox.checkers.contracts.tree import (
    Append,
    Assign,
    Call,
    Choice,
    Display,
    Expr,
    Fold,
    For,
    Function,
    If,
    Item,
    Join,
    Lookup,
    NewDict,
    Old,
    Pair,
    Part,
    Repeat,
    Return,
    Slice,
    Stmt,
    Var,
    While,
)

CALLER = "(caller)"


class Aliases:
    """What may share what in one function."""

    def __init__(self, function: Function, fresh: set[str]) -> None:
        self.fresh = fresh
        """Functions whose result shares nothing with their arguments."""
        self.version: dict[str, str] = {}
        self.parent: dict[str, str] = {}
        self.shared: set[str] = set()
        self.changed: dict[str, int] = {}
        self.returned: list[str] = []
        for name, sort in function.params:
            if holds_lists(sort):
                self._join(name, CALLER)
        self._block(function.body, outermost=True)

    @property
    def returns_fresh(self) -> bool:
        """Whether the result shares nothing with the parameters."""
        return all(self._find(root) != self._find(CALLER) for root in self.returned)

    def trouble(self) -> tuple[int, str] | None:
        """Line and reason of the first change that another name could see."""
        shared = {self._find(name) for name in self.shared}
        for name, line in self.changed.items():
            plain = name.partition("#")[0]
            if self._find(name) == self._find(CALLER):
                return line, f"changes {plain!r}, which may be the caller's; copy it first: `{plain} = {plain}[:]`"
            if self._find(name) in shared:
                return line, f"changes {plain!r}, which may have a second name (aliasing); copy with [:] instead"
        return None

    def _find(self, name: str) -> str:
        while name in self.parent:
            name = self.parent[name]
        return name

    def _join(self, a: str, b: str) -> None:
        self.shared |= {a, b}
        a, b = self._find(a), self._find(b)
        if a != b:
            self.parent[a] = b

    def _now(self, name: str) -> str:
        return self.version.get(name, name)

    def _block(self, body: list[Stmt], *, outermost: bool = False) -> None:
        for statement in body:
            self._statement(statement, outermost)

    def _statement(self, statement: Stmt, outermost: bool) -> None:
        match statement:
            case Assign(places=[place], value=value) if not place.path and not self._roots(value):
                if outermost and holds_lists(place.sort):
                    self.version[place.name] = f"{place.name}#{statement.line}"
            case Assign(places=places, value=value):
                for place in places:
                    if place.path:
                        self.changed.setdefault(self._now(place.name), statement.line)
                    if holds_lists(place.sort):
                        self._share(place.name, value)
            case Append(name=name, item=item):
                self.changed.setdefault(self._now(name), statement.line)
                self._share(name, item)
            case If(then=then, otherwise=otherwise):
                self._block(then)
                self._block(otherwise)
            case For(domain=domain, body=body):
                if domain.items is not None:
                    self._no_change_while_iterating(domain.items, body)
                    self._share(domain.names[-1], domain.items, items=True)
                self._block(body)
            case While(body=body):
                self._block(body)
            case Return(value=value) if value is not None:
                self.returned += self._roots(value)

    def _share(self, name: str, value: Expr, *, items: bool = False) -> None:
        item = value.sort
        if items and isinstance(item, ListOf):
            item = item.item
        if holds_lists(item):
            for root in self._roots(value):
                self._join(self._now(name), root)

    def _no_change_while_iterating(self, items: Expr, body: list[Stmt]) -> None:
        for name in sorted(changed_names(body) & {*self._names(items)}):
            raise malformed(items.line, f"the loop changes {name!r} while going through it")

    def _names(self, value: Expr) -> list[str]:
        return [root.partition("#")[0] for root in self._roots(value)]

    def _roots(self, value: Expr) -> list[str]:
        """Names whose objects the value may share."""
        if not holds_lists(value.sort):
            return []
        inner: tuple[Expr, ...] = ()
        match value:
            case Var(name=name):
                return [self._now(name)]
            case Old():
                return [CALLER]
            case Item(base=base) | Part(base=base):
                inner = (base,)
            case Lookup(base=base, default=default):
                inner = (base, default)
            case Choice(then=then, otherwise=otherwise):
                inner = (then, otherwise)
            case Display(items=items) | Pair(items=items):
                inner = items
            case NewDict(items=pairs):
                inner = tuple(value for _, value in pairs)
            case Slice(base=base) if _nested(value):
                inner = (base,)
            case Join(left=left, right=right) if _nested(value):
                inner = (left, right)
            case Repeat() if _nested(value):
                raise malformed(value.line, "repeating a list inside a list gives one list many names (aliasing)")
            case Fold(domain=domain, body=body) if _nested(value) and domain.items is not None:
                roots = self._roots(body)
                return [r for r in roots if r not in domain.names] + (
                    self._roots(domain.items) if {*roots} & {*domain.names} else []
                )
            case Call(name=name, args=args) if name not in self.fresh:
                inner = args
        return [root for part in inner for root in self._roots(part)]


def _nested(value: Expr) -> bool:
    return isinstance(value.sort, ListOf) and holds_lists(value.sort.item)


def changed_names(body: list[Stmt]) -> set[str]:
    """Variables that are changed in place somewhere in `body`."""
    found: set[str] = set()
    for statement in body:
        match statement:
            case Assign(places=places):
                found |= {place.name for place in places if place.path}
            case Append(name=name):
                found.add(name)
            case If(then=then, otherwise=otherwise):
                found |= changed_names(then) | changed_names(otherwise)
            case While(body=inner) | For(body=inner):
                found |= changed_names(inner)
    return found


def refuse_aliasing(function: Function, fresh: set[str]) -> bool:
    """Check one function; `fresh` names earlier functions whose result is new.

    Returns:
        Whether this function's own result is new.

    Raises:
        Fault: something could be changed under two names.
    """
    aliases = Aliases(function, fresh | {function.name})
    if function.recursive and not aliases.returns_fresh:
        aliases = Aliases(function, fresh)
    if found := aliases.trouble():
        raise malformed(*found)
    return aliases.returns_fresh
