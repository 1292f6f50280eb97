"""Fills in the types that were only known at the end of a function (items of empty lists)."""

from __future__ import annotations

import dataclasses

from selfplay.sandbox.checkers.contracts.sorts import settled
from selfplay.sandbox.checkers.contracts.tree import Clause, Domain, Expr, Function, Place, Stmt


def settle(function: Function) -> None:
    """Replace every `Hole` in the types of a function's nodes."""
    for part in (function.requires, function.ensures, function.measure, function.body, function.value):
        _visit(part, set())


def _visit(node: object, seen: set[int]) -> None:
    if isinstance(node, list | tuple):
        for item in node:
            _visit(item, seen)
    elif isinstance(node, Expr | Stmt | Clause | Place | Domain) and id(node) not in seen:
        seen.add(id(node))
        if isinstance(node, Expr | Place):
            node.sort = settled(node.sort)
        for field in dataclasses.fields(node):
            if field.name != "sort":
                _visit(getattr(node, field.name), seen)
