"""What every backend must do: hostile programs end as they must, honest ones succeed."""

from __future__ import annotations

import pytest
from conftest import Run
from sandbox_attacks import ATTACKS, Attack
from sandbox_honest import FUNCTIONS, SCRIPTS, Function, Script

from selfplay.sandbox.inside import values
from selfplay.sandbox.types import Case, ExecResult, Job, Sandbox, Status


def job_of(program: Attack | Function | Script) -> Job:
    if isinstance(program, Attack):
        return Job(
            program.code, None, (Case("0"),), limits=program.limits, profile=program.profile, writable=program.writable
        )
    if isinstance(program, Script):
        return Job(program.source, None, (Case("0", stdin=program.stdin),), limits=program.limits)
    return Job(
        program.source,
        "f",
        (Case("0", program.args),),
        limits=program.limits,
        profile=program.profile,
        writable=program.writable,
    )


PROGRAMS = [*ATTACKS, *FUNCTIONS, *SCRIPTS]


@pytest.fixture(scope="module")
def results(sandbox: Sandbox, run: Run) -> dict[int, ExecResult]:
    """All programs at once, side by side, as in a batch of a run; by the program's id."""
    return dict(zip(map(id, PROGRAMS), run(sandbox, *map(job_of, PROGRAMS)), strict=True))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack(attack: Attack, sandbox: Sandbox, results: dict[int, ExecResult]) -> None:
    result = results[id(attack)]
    assert result.status is not Status.SANDBOX_ERROR, result.cases
    assert result.cases[0].attempts == 1, "the attack reached the worker"
    if sandbox.level < attack.since:
        return
    assert result.status in attack.status, result.cases
    if attack.stdout is not None:
        assert result.stdout.decode().strip() in attack.stdout
    if attack.raises is not None:
        raised = result.cases[0].raised
        assert raised and raised.type == attack.raises


@pytest.mark.parametrize("program", FUNCTIONS, ids=lambda program: program.name)
def test_honest_function(program: Function, results: dict[int, ExecResult]) -> None:
    result = results[id(program)]
    assert result.status is Status.OK, result.cases
    assert values.decode(result.cases[0].value or b"") == program.value


@pytest.mark.parametrize("program", SCRIPTS, ids=lambda program: program.name)
def test_honest_script(program: Script, results: dict[int, ExecResult]) -> None:
    result = results[id(program)]
    assert result.status is Status.OK, result.cases
    assert result.stdout == program.stdout
