"""Sandboxes to test, started once; what runs in them is awaited in a loop of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from selfplay.errors import RunError
from selfplay.sandbox.containers.engine import connect
from selfplay.sandbox.docker import DockerSandbox
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.subprocess import SubprocessSandbox
from selfplay.sandbox.types import ExecResult, Job

if TYPE_CHECKING:
    from docker import APIClient

BACKENDS = {
    "local": lambda: LocalSandbox(workers=2),
    "local-L2": lambda: LocalSandbox(workers=2, without=["namespaces"]),
    "docker": lambda: DockerSandbox(workers=2),
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
    if request.param == "docker":
        request.getfixturevalue("client")
    sandbox = BACKENDS[request.param]()
    sandbox.start()
    yield sandbox
    asyncio.run(sandbox.close())


@pytest.fixture(scope="session")
def client() -> Iterator[APIClient]:
    """A container engine, where there is one."""
    try:
        client = connect()
    except RunError as error:
        pytest.skip(f"{str(error).splitlines()[0]} (see scripts/container-engine)")
    yield client
    client.close()


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
