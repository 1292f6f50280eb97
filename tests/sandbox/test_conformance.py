"""What every backend must do: hostile programs end as they must, honest ones succeed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from selfplay.sandbox.selftest import PROGRAMS, Program, job_of, trouble
from selfplay.sandbox.types import Case, ExecResult, Job, Sandbox, Status

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


def test_nothing_can_be_left_for_the_next_submission(sandbox: Sandbox, run: Run, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    leave = f"import os\nos.mkdir('d')\nos.mkdir('closed', 0)\nos.symlink({str(tmp_path)!r}, 'd/l')\nprint(1)"
    leave_beside = "open('../left', 'w').write('x')"
    look = "import os\nprint(os.listdir('.'), os.path.exists('../left'))"
    for source in (leave, leave_beside, look):
        (result,) = run(sandbox, Job(source, None, (Case("0"),), writable=True))
        assert result.cases[0].attempts == 1
        if source is leave_beside:
            assert result.status is Status.EXCEPTION
        else:
            assert result.stdout == (b"1\n" if source is leave else b"[] False\n")
    assert (tmp_path / "kept").exists()
