"""The reference backend, on a few programs; all of them are tried with ``-m slow``."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable

import pytest

from selfplay.sandbox.selftest import PROGRAMS, job_of, trouble
from selfplay.sandbox.subprocess import SubprocessSandbox
from selfplay.sandbox.types import ExecResult, Level

Run = Callable[..., list[ExecResult]]

NAMES = {"10 fork", "43 ptrace", "55 tcp", "65 list root", "67 write x", "109 two ends", "unicode", "unicode text"}


@pytest.mark.parametrize("bubblewrap", [True, False])
def test_a_few_programs(bubblewrap: bool, run: Run) -> None:
    if bubblewrap and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    sandbox = SubprocessSandbox(workers=2, bubblewrap=bubblewrap)
    sandbox.start()
    assert sandbox.level is Level.L2
    programs = [program for program in PROGRAMS if program.name in NAMES]
    assert len(programs) == len(NAMES)
    for program, result in zip(programs, run(sandbox, *map(job_of, programs)), strict=True):
        assert trouble(program, result) == ""
    asyncio.run(sandbox.close())
