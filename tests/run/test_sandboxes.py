"""`[sandbox]` of a recipe: what it says is in force while the run plays, and what cannot work is said before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from selfplay.errors import RunError, UsageError
from selfplay.games import make_game
from selfplay.run import league as run_league
from selfplay.run.checks import check_recipe
from selfplay.run.plan import measure
from selfplay.run.recipe import Recipe, SandboxSection
from selfplay.run.recipe_file import recipe_from
from selfplay.run.sandboxes import in_force
from selfplay.sandbox.backends import Backend
from selfplay.sandbox.judge import Rules
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.pool import CodePool, current_pool, use_pool
from selfplay.sandbox.types import Level

GAME = {"game": {"id": "program_io"}}
NOWHERE = {"backend": "remote", "url": "http://127.0.0.1:1"}


class Counting(LocalSandbox):
    """Says what it was asked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(1, **options)
        self.jobs = 0

    async def run(self, batch: Any, answer: Any = None) -> Any:
        self.jobs += len(batch)
        return await super().run(batch, answer)


@pytest.fixture
def weak(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """What every backend is, in this test: level L2."""
    sandbox = Counting(without=["namespaces"])
    monkeypatch.setattr(Backend, "make", lambda self, run: sandbox)
    return sandbox


@pytest.fixture(autouse=True)
def before() -> Iterator[CodePool]:
    """The pool of this process."""
    pool = CodePool(lambda: pytest.fail("another pool is in force"))
    use_pool(pool)
    yield pool
    use_pool(CodePool(LocalSandbox))


def recipe(**sandbox: Any) -> Recipe:
    return recipe_from({**GAME, "sandbox": sandbox})


def test_matches_are_judged_there(weak: Counting, before: CodePool) -> None:
    given = recipe(workers=1)
    with in_force(given.sandbox, "x"):
        assert measure(given, make_game("program_io"), len) is not None
        assert weak.jobs > 0
    assert current_pool() is before


def test_a_section_that_says_nothing_changes_nothing(before: CodePool) -> None:
    with in_force(recipe().sandbox, "x"):
        assert current_pool() is before


def test_its_rules_are_those_of_the_judge(weak: Counting) -> None:
    fields = {"min_level": "L3", "allow_weak_sandbox": True, "masked_share": 0.5, "masked_count": 3}
    with in_force(recipe(**fields).sandbox, "x"):
        assert current_pool().rules == Rules(Level.L3, True, False, 0.5, 3)
    defaults = SandboxSection()
    assert (Level[defaults.min_level], defaults.masked_share, defaults.masked_count) == (
        Rules().min_level,
        Rules().masked_share,
        Rules().masked_count,
    )


def test_a_sandbox_that_is_too_weak_is_refused_before_there_is_a_run(
    weak: Counting, before: CodePool, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="level L2 on this machine, but L3 is demanded") as refusal:
        run_league(recipe(min_level="L3"), root=tmp_path)
    assert refusal.value.__notes__ == ["  from [sandbox] of the recipe"]
    assert list(tmp_path.iterdir()) == [] and current_pool() is before


def test_a_server_that_is_down_is_found_before_there_is_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no sandbox server answers"):
        run_league(recipe(**NOWHERE), root=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sandbox", "why"),
    [
        ({"backend": "remote"}, "SELFPLAY_SANDBOX_URL"),
        ({"backend": "remote", "url": "box"}, "no address"),
        ({"url": "http://box"}, "use remote"),
        ({"paranoid": True}, "use docker"),
        ({"backend": "dcoker"}, r"sandbox\.backend"),
        ({"min_level": "L9"}, r"sandbox\.min_level"),
        ({"workers": -1}, r"sandbox\.workers"),
        ({"token": "x"}, r"sandbox\.token"),
    ],
)
def test_what_cannot_work(sandbox: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SELFPLAY_SANDBOX_URL", raising=False)
    with pytest.raises(UsageError, match=why):
        check_recipe(recipe(**sandbox), make_game("program_io"))
