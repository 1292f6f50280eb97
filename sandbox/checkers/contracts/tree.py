"""The typed syntax tree of the contract language, which interpreter and encoder both read.

Expressions have no effects. `line` is the line in the text (0 in a problem's clauses). Chained comparisons are split
into conjunctions, augmented assignments into assignments, ``a += [x]`` into `Append`; names are resolved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from selfplay.sandbox.checkers.contracts.sorts import NONE, Sort


@dataclass(slots=True)
class Expr:
    """Any expression."""

    line: int
    sort: Sort


@dataclass(slots=True)
class Const(Expr):
    value: int | bool | str


@dataclass(slots=True)
class Var(Expr):
    """A variable; inside `ensures` a parameter (as it was at entry) or ``result``."""

    name: str


@dataclass(slots=True)
class Old(Expr):
    """A parameter as it was at entry."""

    name: str


@dataclass(slots=True)
class Not(Expr):
    value: Expr


@dataclass(slots=True)
class Logic(Expr):
    """Short-circuit: each part is evaluated only where the earlier ones do not decide."""

    op: Literal["and", "or", "implies"]
    parts: tuple[Expr, ...]


@dataclass(slots=True)
class Arith(Expr):
    op: Literal["+", "-", "*", "//", "%"]
    left: Expr
    right: Expr


@dataclass(slots=True)
class Compare(Expr):
    """``==`` and ``!=`` on any type, the others on int and str."""

    op: Literal["==", "!=", "<", "<=", ">", ">="]
    left: Expr
    right: Expr


@dataclass(slots=True)
class Choice(Expr):
    """``then if test else otherwise``."""

    test: Expr
    then: Expr
    otherwise: Expr


@dataclass(slots=True)
class Call(Expr):
    """A function with a contract (in code) or a spec function (in specifications)."""

    name: str
    args: tuple[Expr, ...]


@dataclass(slots=True)
class Let(Expr):
    """`body` with a variable for `value`, which is evaluated once and first; how some short forms are read."""

    name: str
    value: Expr
    body: Expr


@dataclass(slots=True)
class Builtin(Expr):
    """``abs``, ``min``, ``max`` of ints, ``len``, ``ord``, ``sorted`` of a list, and ``[::-1]`` as ``reversed``."""

    name: Literal["abs", "min", "max", "len", "ord", "sorted", "reversed"]
    args: tuple[Expr, ...]


@dataclass(slots=True)
class Item(Expr):
    """``base[index]`` of list, str or dict; for tuples see `Part`."""

    base: Expr
    index: Expr


@dataclass(slots=True)
class Part(Expr):
    """A component of a tuple."""

    base: Expr
    number: int


@dataclass(slots=True)
class Lookup(Expr):
    """``base.get(key, default)``."""

    base: Expr
    key: Expr
    default: Expr


@dataclass(slots=True)
class Slice(Expr):
    base: Expr
    start: Expr | None
    stop: Expr | None


@dataclass(slots=True)
class Member(Expr):
    """``item in base`` for list, str and dict."""

    item: Expr
    base: Expr


@dataclass(slots=True)
class Join(Expr):
    """``left + right`` of lists or strings."""

    left: Expr
    right: Expr


@dataclass(slots=True)
class Repeat(Expr):
    """``[item] * times``."""

    item: Expr
    times: Expr


@dataclass(slots=True)
class Display(Expr):
    """``[x, y]``."""

    items: tuple[Expr, ...]


@dataclass(slots=True)
class Pair(Expr):
    """``(x, y)``, of two or more."""

    items: tuple[Expr, ...]


@dataclass(slots=True)
class NewDict(Expr):
    """``{k: v}``."""

    items: tuple[tuple[Expr, Expr], ...]


@dataclass(slots=True)
class Domain:
    """What a `for` goes over: ``range(start, stop, step)``, or a list or str, with positions if `counted`.

    `names`: the bound variables, (index,), (item,) or (index, item).
    """

    names: tuple[str, ...]
    start: Expr | None = None
    stop: Expr | None = None
    step: int = 1
    items: Expr | None = None
    counted: bool = False


@dataclass(slots=True)
class Quantifier(Expr):
    """``all(body for ...)``, ``any(body for ...)``; a condition becomes part of the body."""

    kind: Literal["all", "any"]
    domains: tuple[Domain, ...]
    body: Expr


@dataclass(slots=True)
class Fold(Expr):
    """``sum``, ``min``, ``max`` or a list, over ``body for ... in ... if test``."""

    kind: Literal["sum", "min", "max", "list"]
    domain: Domain
    test: Expr | None
    body: Expr


@dataclass(slots=True)
class Stmt:
    line: int


@dataclass(slots=True)
class Place:
    """What is assigned to: a variable, or an item of a list or dict variable (``a[i][j]`` has two indices)."""

    name: str
    sort: Sort
    path: tuple[Expr, ...] = ()


@dataclass(slots=True)
class Assign(Stmt):
    """``places = value``; with several places the value is a tuple."""

    places: tuple[Place, ...]
    value: Expr


@dataclass(slots=True)
class Append(Stmt):
    """``name.append(item)``."""

    name: str
    item: Expr


@dataclass(slots=True)
class Do(Stmt):
    """A call whose result is not used (a lemma)."""

    call: Expr


@dataclass(slots=True)
class If(Stmt):
    test: Expr
    then: list[Stmt]
    otherwise: list[Stmt]


@dataclass(slots=True)
class Clause:
    """One condition of a contract."""

    text: str
    line: int
    expr: Expr


@dataclass(slots=True)
class While(Stmt):
    test: Expr
    invariants: list[Clause]
    measure: tuple[Expr, ...]
    body: list[Stmt]


@dataclass(slots=True)
class For(Stmt):
    domain: Domain
    invariants: list[Clause]
    body: list[Stmt]


@dataclass(slots=True)
class Leave(Stmt):
    """``break`` or ``continue``."""

    kind: Literal["break", "continue"]


@dataclass(slots=True)
class Return(Stmt):
    value: Expr | None


@dataclass(slots=True)
class Assert(Stmt):
    test: Expr
    text: str


@dataclass(slots=True)
class Function:
    """A function with its contract; a spec function has `value` instead of a body."""

    name: str
    line: int
    params: tuple[tuple[str, Sort], ...]
    returns: Sort = NONE
    requires: list[Clause] = field(default_factory=list)
    ensures: list[Clause] = field(default_factory=list)
    measure: tuple[Expr, ...] = ()
    body: list[Stmt] = field(default_factory=list)
    value: Expr | None = None
    recursive: bool = False
    from_problem: bool = False
    """Whether the proposer wrote it."""


@dataclass(slots=True)
class Program:
    """Everything a claim is about; functions and spec functions are in the order of the text, `entry` last."""

    functions: dict[str, Function]
    specs: dict[str, Function]
    entry: str
    source: str
    constants: tuple[int, ...] = ()
    """Int literals of all texts: inputs worth trying."""


Loop: TypeAlias = While | For
