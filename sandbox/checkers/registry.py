"""Checkers by name. A checker is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from selfplay.errors import UnknownName
from selfplay.sandbox.checkers.types import Checker

CHECKERS = {
    "algebra": "selfplay.sandbox.checkers.algebra.checker:Algebra",
    "contracts": "selfplay.sandbox.checkers.contracts.checker:Contracts",
    "coq": "selfplay.sandbox.checkers.adapters.coq:Coq",
    "crosshair": "selfplay.sandbox.checkers.adapters.crosshair:CrossHair",
    "dafny": "selfplay.sandbox.checkers.adapters.dafny:Dafny",
    "equivalence": "selfplay.sandbox.checkers.equivalence.checker:Equivalence",
    "lean": "selfplay.sandbox.checkers.adapters.lean:Lean",
    "puzzles": "selfplay.sandbox.checkers.puzzles.checker:Puzzles",
    "random_tests": "selfplay.sandbox.checkers.random_tests:RandomTests",
    "verus": "selfplay.sandbox.checkers.adapters.verus:Verus",
    "why3": "selfplay.sandbox.checkers.adapters.why3:Why3",
}
"""Name -> ``module:class``. The class takes no arguments."""

_made: dict[str, Checker] = {}


def checker(name: str) -> Checker:
    """The checker of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in CHECKERS:
        raise UnknownName("checker", name, CHECKERS)
    if name not in _made:
        module, _, made = CHECKERS[name].partition(":")
        _made[name] = cast("Checker", getattr(import_module(module), made)())
    return _made[name]
