"""Sandboxes to test, started once; what runs in them is awaited in a loop of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.subprocess import SubprocessSandbox
from selfplay.sandbox.types import ExecResult, Job

BACKENDS = {
    "local": lambda: LocalSandbox(workers=2),
    "local-L2": lambda: LocalSandbox(workers=2, without=["namespaces"]),
    "subprocess": lambda: SubprocessSandbox(workers=2),
    "subprocess-bare": lambda: SubprocessSandbox(workers=2, bubblewrap=False),
}
SLOW = {"subprocess", "subprocess-bare"}
"""Start a Python for every execution; `test_subprocess` tries a few programs on them."""
Run = Callable[..., list[ExecResult]]


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in BACKENDS],
)
def sandbox(request: pytest.FixtureRequest) -> Iterator[LocalSandbox]:
    """Every backend, as it is used."""
    sandbox = BACKENDS[request.param]()
    sandbox.start()
    yield sandbox
    asyncio.run(sandbox.close())


@pytest.fixture(scope="session")
def local() -> Iterator[LocalSandbox]:
    """The local backend alone."""
    sandbox = LocalSandbox(workers=1)
    sandbox.start()
    yield sandbox
    asyncio.run(sandbox.close())


@pytest.fixture(scope="session")
def run() -> Run:
    """Run jobs in a sandbox."""

    def run(sandbox: LocalSandbox, *jobs: Job, **options: object) -> list[ExecResult]:
        return asyncio.run(sandbox.run(jobs, **options))

    return run
