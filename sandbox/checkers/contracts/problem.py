"""A problem: a function to be written and the contract it must meet, as its proposer states it.

The JSON form has the fields of `Problem` (``params`` as an object from name to type). Spec functions come as the text
of their definitions. A solution is the text of a module that defines the function, after any helpers of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from selfplay.types import Json


class BadProblem(ValueError):
    """JSON that is not a problem; the text says which field is wrong and what it should be."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a solver is to write, without a solution."""

    name: str
    params: tuple[tuple[str, str], ...]
    """Name and type of each."""
    returns: str
    requires: tuple[str, ...] = ()
    ensures: tuple[str, ...] = ()
    spec_defs: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "params": dict(self.params),
            "returns": self.returns,
            "requires": list(self.requires),
            "ensures": list(self.ensures),
            "spec_defs": self.spec_defs,
        }

    @staticmethod
    def from_json(data: Json) -> Problem:
        """Read the JSON form.

        Raises:
            BadProblem: a field is missing, unknown or of the wrong type.
        """
        if not isinstance(data, dict):
            raise BadProblem("a problem is a JSON object")
        known = {"name", "params", "returns", "requires", "ensures", "spec_defs", "solution", "about"}
        if unknown := sorted(data.keys() - known):
            raise BadProblem(f"unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}")
        params = data.get("params")
        if isinstance(params, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in params):
            params = dict(cast("list[tuple[str, Json]]", params))
        if not isinstance(params, dict) or not all(isinstance(sort, str) for sort in params.values()):
            raise BadProblem('params must be an object from name to type, such as {"n": "int"}')
        return Problem(
            _text(data, "name"),
            tuple(cast("dict[str, str]", params).items()),
            _text(data, "returns"),
            _texts(data, "requires"),
            _texts(data, "ensures"),
            _text(data, "spec_defs", ""),
        )

    def text(self) -> str:
        """The problem for a person or a model: the function's head, its contract, and an empty body."""
        head = f"def {self.name}({', '.join(f'{name}: {sort}' for name, sort in self.params)}) -> {self.returns}:"
        clauses = [f"    requires({c})" for c in self.requires] + [f"    ensures({c})" for c in self.ensures]
        return "\n".join(
            [*([self.spec_defs.strip(), "", ""] if self.spec_defs.strip() else []), head, *clauses, "    ..."]
        )


def _text(data: dict[str, Json], field: str, default: str | None = None) -> str:
    value = data.get(field, default)
    if not isinstance(value, str):
        raise BadProblem(f"{field} must be a text, not {value!r}")
    return value


def _texts(data: dict[str, Json], field: str) -> tuple[str, ...]:
    value = data.get(field, [])
    if not isinstance(value, list) or not all(isinstance(clause, str) for clause in value):
        raise BadProblem(f"{field} must be a list of conditions")
    return tuple(cast("list[str]", value))
