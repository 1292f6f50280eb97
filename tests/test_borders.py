"""Who may import whom: docs/architecture.md, section "Borders", kept by reading every import in the tree.

A *layer* is a module or package directly under `selfplay` (`types`, `envs`, `learning`, ...). Imports inside functions
and under `if TYPE_CHECKING` cross borders like any other; they only may name heavy packages where a top-level import
may not. Imports by computed name (`importlib.import_module`) are not seen.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import selfplay

ROOT = Path(__file__).parents[1]

BASE = {"errors", "seeds", "types"}
AUTHOR = BASE | {"game", "match", "rewards"}
"""What the author of a game imports."""
ENGINE = AUTHOR | {"alarm", "arena", "driver", "queues", "steps"}
"""What plays matches."""
BELOW_RUN = ENGINE | {"check", "envs", "games", "learning", "policies", "record", "replay", "roles", "sandbox", "tiny"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "seeds": set(),
    "types": {"errors"},
    "rewards": BASE,
    "game": AUTHOR,
    "steps": BASE | {"game"},
    "match": AUTHOR | {"steps", "driver"},  # the driver for a type
    "alarm": BASE,
    "driver": AUTHOR | {"alarm", "steps"},
    "queues": AUTHOR | {"driver", "steps"},
    "arena": ENGINE,
    "replay": ENGINE | {"record"},
    "check": ENGINE | {"policies", "record", "replay"},
    "games": BASE | {"game"},  # finds games by name, imports none
    "roles": AUTHOR,
    "sandbox": BASE,
    "envs": AUTHOR | {"roles", "sandbox"},
    "interop": ENGINE | {"games", "roles", "run"},
    "policies": AUTHOR,
    "learning": BASE | {"policies", "rewards"},
    "record": BASE,
    "watch": BASE | {"record"},
    "tiny": BELOW_RUN - {"record"},
    "run": BELOW_RUN,
    "cli": BELOW_RUN | {"run", "watch"},
    "__main__": {"cli"},
}

TORCH = {"accelerate", "peft", "safetensors", "tokenizers", "torch", "transformers", "trl"}
MODELS = TORCH | {"datasets", "jinja2", "numpy"}
TERMINAL = {"rich", "typer"}
AT_TOP_LEVEL: dict[str, set[str]] = {
    "policies": MODELS,
    "learning": MODELS,
    "tiny": MODELS,
    "interop": {"gymnasium", "numpy", "pettingzoo"},
    "run": {"numpy", "pydantic"},
    "record": {"numpy"},
    "sandbox": {"z3"},  # in modules that only the workers of checkers load
    "watch": TERMINAL,
    "cli": TERMINAL,
}
"""Packages that a layer's modules may import at their top level; elsewhere the standard library must do."""
NO_TORCH = ENGINE | {"envs", "interop", "roles", "sandbox", "record", "watch"}
"""Layers that do not import torch and its kin even inside functions."""
PRINTS = {"cli", "watch"}
"""The only layers that import the terminal packages."""


class Import(NamedTuple):
    line: int
    module: str
    """Dotted name; for `from a import b` it is ``a.b``."""
    at_top_level: bool
    """Carried out when the module itself is imported."""


class Imports(ast.NodeVisitor):
    """Collects every import statement below the nodes it visits."""

    def __init__(self) -> None:
        self.found: list[Import] = []
        self.at_top_level = True

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [Import(node.lineno, alias.name, self.at_top_level) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        home = "." * node.level + (node.module or "")
        self.found += [Import(node.lineno, f"{home}.{alias.name}", self.at_top_level) for alias in node.names]

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.visit_later(node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            return self.generic_visit(node)
        self.visit_later(node.body)
        for statement in node.orelse:
            self.visit(statement)

    def visit_later(self, body: list[ast.stmt]) -> None:
        """Visit what is not carried out on import."""
        before, self.at_top_level = self.at_top_level, False
        for statement in body:
            self.visit(statement)
        self.at_top_level = before


def layer_of(module: str) -> str:
    """The layer that ``selfplay.x.y`` lies in; a public name of `selfplay` counts for the module it comes from."""
    first = module.split(".")[1]
    return next((home.split(".")[1] for home, names in selfplay._HOMES.items() if first in names), first)


def trouble(layer: str, wanted: Import) -> str | None:
    """What is wrong with an import in a module of `layer`."""
    package = wanted.module.split(".")[0]
    if package == "":
        return "relative import; write the module's name in full"
    if wanted.module == "selfplay":
        return "import the names that are needed, not all of selfplay"
    if package == "selfplay":
        target = layer_of(wanted.module)
        return None if target in MAY_IMPORT[layer] | {layer} else f"{layer} may not import {target}"
    if (package in TORCH and layer in NO_TORCH) or (package in TERMINAL and layer not in PRINTS):
        return f"{layer} may not import {package}, not even inside a function"
    if wanted.at_top_level and package not in sys.stdlib_module_names | AT_TOP_LEVEL.get(layer, set()):
        return f"{layer} may import {package} inside functions only"
    return None


def violations(layer: str, source: str) -> list[str]:
    """What is wrong with the imports of a module of `layer`, as ``line: reason``."""
    visitor = Imports()
    visitor.visit(ast.parse(source))
    return [f"{wanted.line}: {why}" for wanted in visitor.found if (why := trouble(layer, wanted))]


def modules() -> list[tuple[str, Path]]:
    """Every module of the tree with its layer; selfplay/__init__.py belongs to none."""
    inside = [path for path in (ROOT / "selfplay").rglob("*.py") if path != ROOT / "selfplay" / "__init__.py"]
    beside = [path for layer in ("envs", "roles", "sandbox") for path in (ROOT / layer).rglob("*.py")]
    layers = [path.relative_to(ROOT / "selfplay").parts[0].removesuffix(".py") for path in inside]
    return [*zip(layers, inside, strict=True), *((path.relative_to(ROOT).parts[0], path) for path in beside)]


def test_every_layer_has_its_line_in_the_table() -> None:
    assert {layer for layer, _ in modules()} <= set(MAY_IMPORT)


def test_imports_stay_within_the_borders() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{violation}"
        for layer, path in modules()
        if layer in MAY_IMPORT
        for violation in violations(layer, path.read_text())
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("layer", "source", "expected"),
    [
        ("envs", "from selfplay import Game, league", "1: envs may not import run"),
        ("envs", "from selfplay import policies", "1: envs may not import policies"),
        ("envs", "def f():\n    import torch.nn", "2: envs may not import torch, not even inside a function"),
        ("envs", "class A:\n    import numpy", "2: envs may import numpy inside functions only"),
        ("learning", "import selfplay.envs.countdown", "1: learning may not import envs"),
        ("watch", "async def f():\n    from selfplay.arena import Arena", "2: watch may not import arena"),
        (
            "run",
            "try:\n    import torch\nexcept ImportError:\n    pass",
            "2: run may import torch inside functions only",
        ),
        ("run", "def f():\n    from rich.text import Text", "2: run may not import rich, not even inside a function"),
        ("record", "if TYPE_CHECKING:\n    from selfplay.run import x", "2: record may not import run"),
        ("cli", "from . import x", "1: relative import; write the module's name in full"),
        ("cli", "import selfplay", "1: import the names that are needed, not all of selfplay"),
    ],
)
def test_planted_violations_are_found(layer: str, source: str, expected: str) -> None:
    assert violations(layer, source) == [expected]


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("envs", "from selfplay import Game, Match, learnability\nfrom selfplay.roles.answers import tag\nimport json"),
        ("envs", "def f():\n    import numpy"),
        ("types", "if TYPE_CHECKING:\n    import numpy as np\nelse:\n    pass"),
        ("learning", "import torch\nfrom selfplay.policies.local import x"),
        ("run", "def f():\n    import torch"),
    ],
)
def test_allowed_imports_pass(layer: str, source: str) -> None:
    assert violations(layer, source) == []
