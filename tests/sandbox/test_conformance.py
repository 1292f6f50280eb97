"""What every backend must do: hostile programs end as they must, honest ones succeed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from selfplay.sandbox.selftest import PROGRAMS, Program, job_of, trouble
from selfplay.sandbox.types import ExecResult, Sandbox

Run = Callable[..., list[ExecResult]]


@pytest.fixture(scope="module")
def results(sandbox: Sandbox, run: Run) -> dict[str, ExecResult]:
    """All programs at once, side by side, as in a batch of a run."""
    names = [program.name for program in PROGRAMS]
    assert len(set(names)) == len(names)
    return dict(zip(names, run(sandbox, *map(job_of, PROGRAMS)), strict=True))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(program: Program, results: dict[str, ExecResult]) -> None:
    assert trouble(program, results[program.name]) == ""
