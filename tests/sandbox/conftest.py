"""Sandboxes to test, started once; what runs in them is awaited in a loop of the test's own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import uvicorn

from selfplay.errors import RunError
from selfplay.sandbox.containers.engine import connect
from selfplay.sandbox.docker import DockerSandbox
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.remote import RemoteSandbox
from selfplay.sandbox.serve import application
from selfplay.sandbox.subprocess import SubprocessSandbox
from selfplay.sandbox.types import ExecResult, Job, Sandbox

if TYPE_CHECKING:
    from docker import APIClient
    from starlette.types import ASGIApp


@contextmanager
def listening(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """The URL at which `app` is served meanwhile."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class Served(RemoteSandbox):
    """A remote sandbox with a server of its own."""

    def __init__(self) -> None:
        self.inner = LocalSandbox(workers=2)
        self.inner.start()
        self.serving = listening(application(self.inner))
        super().__init__(self.serving.__enter__())

    async def close(self) -> None:
        await super().close()
        self.serving.__exit__(None, None, None)


BACKENDS = {
    "local": lambda: LocalSandbox(workers=2),
    "local-L2": lambda: LocalSandbox(workers=2, without=["namespaces"]),
    "remote": Served,
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
def sandbox(request: pytest.FixtureRequest) -> Iterator[LocalSandbox | RemoteSandbox]:
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

    def run(sandbox: Sandbox, *jobs: Job, **options: object) -> list[ExecResult]:
        return asyncio.run(sandbox.run(jobs, **options))

    return run
