"""The reference backend, on a few programs; all of them are tried with ``-m slow``."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from conftest import Run
from sandbox_attacks import ATTACKS
from sandbox_honest import FUNCTIONS
from test_conformance import job_of

from selfplay.sandbox.inside import values
from selfplay.sandbox.subprocess import SubprocessSandbox
from selfplay.sandbox.types import Level

NAMES = {"10 fork", "43 ptrace", "55 tcp", "65 list root", "67 write x", "109 two ends"}


@pytest.mark.parametrize("bubblewrap", [True, False])
def test_a_few_programs(bubblewrap: bool, run: Run) -> None:
    if bubblewrap and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    sandbox = SubprocessSandbox(workers=2, bubblewrap=bubblewrap)
    sandbox.start()
    assert sandbox.level is Level.L2
    attacks = [attack for attack in ATTACKS if attack.name in NAMES]
    assert len(attacks) == len(NAMES)
    results = run(sandbox, *map(job_of, attacks), job_of(FUNCTIONS[0]))
    for attack, result in zip(attacks, results[:-1], strict=True):
        assert result.status in attack.status, (attack.name, result)
        assert attack.stdout is None or result.stdout.decode().strip() in attack.stdout
    assert values.decode(results[-1].cases[0].value or b"") == FUNCTIONS[0].value
    asyncio.run(sandbox.close())
