"""What names mean at a place in the text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.contracts.sorts import Sort
from selfplay.sandbox.checkers.contracts.tree import Function

WORDS = frozenset({"requires", "ensures", "invariant", "decreases", "implies", "old", "spec", "result"})
BUILTINS = frozenset(
    {"abs", "all", "any", "bool", "chr", "dict", "divmod", "enumerate", "filter", "float", "int", "iter", "len", "list"}
    | {"map", "max", "min", "next", "object", "ord", "pow", "print", "range", "reversed", "round", "set", "sorted"}
    | {"str", "sum", "tuple", "type", "zip"}
)


@dataclass(slots=True)
class Names:
    """The functions known so far, by name; what the text may not redefine."""

    functions: dict[str, Function] = field(default_factory=dict)
    specs: dict[str, Function] = field(default_factory=dict)
    constants: dict[int, None] = field(default_factory=dict)
    """Int literals met, in order."""

    def claim(self, name: str, line: int, what: str) -> None:
        """Make sure that `name` is free.

        Raises:
            Fault: it means something else already.
        """
        if name in WORDS | BUILTINS:
            raise malformed(line, f"{what} cannot be called {name!r}, which is a word of the language")
        if name in self.functions or name in self.specs:
            raise malformed(line, f"{name!r} is defined already")


@dataclass(slots=True)
class Scope:
    """The variables of one function, and where in it we are."""

    names: Names
    params: dict[str, Sort]
    sorts: dict[str, Sort] = field(default_factory=dict)
    """Of every variable met so far; a variable never changes its type."""
    defined: set[str] = field(default_factory=set)
    """Variables that have a value here for certain."""
    bound: dict[str, tuple[str, Sort]] = field(default_factory=dict)
    """Variables of enclosing comprehensions: unique name and type."""
    loops: list[str] = field(default_factory=list)
    """Variables of enclosing `for` loops, which nothing else may assign."""
    specification: bool = False
    """Whether spec functions, `old` and `implies` may be used here, and functions with contracts may not."""
    result: Sort | None = None
    """Type of ``result``, inside `ensures`."""
    fresh: int = 0
    """How many unique names were given out."""

    @contextmanager
    def specifying(self, result: Sort | None = None) -> Iterator[None]:
        """Inside it, expressions are specifications."""
        before = self.specification, self.result
        self.specification, self.result = True, result
        yield
        self.specification, self.result = before

    @contextmanager
    def binding(self) -> Iterator[None]:
        """What is bound inside is unbound after it."""
        before = dict(self.bound)
        yield
        self.bound = before

    def bind(self, name: str, sort: Sort, line: int) -> str:
        """Introduce a comprehension's variable and return its unique name."""
        self.names.claim(name, line, "a variable")
        self.fresh += 1
        unique = f"{name}.{self.fresh}"
        self.bound[name] = (unique, sort)
        return unique
