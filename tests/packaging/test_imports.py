"""`selfplay.envs` and its siblings can be imported from a plain checkout, and importing them stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "trl", "numpy", "pydantic", "rich", "typer", "asyncio"}


def python(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter that stands in the checkout's root."""
    return subprocess.run([sys.executable, *flags, "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("package", ["envs", "roles", "sandbox"])
def test_a_checkout_works_without_installing(package: str) -> None:
    # -S leaves site-packages out, and with it the editable install and everything but the standard library.
    done = python(f"import selfplay.{package} as it; print(it.__file__)", "-S")
    assert done.stdout.strip() == str(ROOT / package / "__init__.py"), done.stderr


@pytest.mark.parametrize("package", ["envs", "roles", "sandbox"])
def test_the_bare_name_says_what_to_import(package: str) -> None:
    done = python(f"import {package}")
    assert done.returncode == 1
    assert f"ImportError: import this package as 'selfplay.{package}'" in done.stderr


def test_imports_need_the_standard_library_only() -> None:
    done = python("import sys, selfplay, selfplay.envs, selfplay.roles; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_the_author_layer_needs_no_third_party_package() -> None:
    done = python("from selfplay import Demo, Foul, Game, Match, Move, Outcome, Role, Task, learnability", "-S")
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there() -> None:
    import selfplay

    for name in selfplay.__all__:
        assert callable(getattr(selfplay, name)), name
    with pytest.raises(AttributeError, match="no attribute 'Gmae'"):
        _ = selfplay.Gmae


def test_no_public_name_is_hidden_by_a_submodule() -> None:
    """Importing a submodule sets it as an attribute of the package, where it would replace the public name."""
    import selfplay

    submodules = {path.stem for path in (ROOT / "selfplay").iterdir()}
    assert not submodules & set(selfplay.__all__)


def test_the_lists_of_public_names_agree() -> None:
    """What is imported on first use, what type checkers see, and `__all__`."""
    import selfplay

    tree = ast.parse((ROOT / "selfplay" / "__init__.py").read_text())
    seen = {
        str(node.module): tuple(name.name for name in node.names)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("selfplay.")
    }
    assert seen == selfplay._HOMES
    assert sorted(name for names in selfplay._HOMES.values() for name in names) == sorted(selfplay.__all__)
