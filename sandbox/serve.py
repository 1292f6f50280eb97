"""A server of sandboxes: `selfplay sandbox serve`. The client is `remote`; SandboxFusion's clients are understood too.

    GET  /v1/about       what holds here, and how much may be sent
    POST /v1/run         jobs in, results out, see `messages`
    POST /v1/run-calls   the same for jobs whose calls the client answers, by
    POST /v1/reply
    POST /run_code       see `fusion`

Everything wants the token, if there is one; without one the server binds to this machine alone, and answers only those
who call it by that name (a web page cannot). Whoever has the token may run any program, within `Settings`.

Starlette (https://www.starlette.io) has the routes, uvicorn (https://www.uvicorn.org) the protocol; neither has TLS
here: put a proxy or a tunnel in front.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from selfplay.errors import MissingExtra, RunError, UsageError
from selfplay.sandbox import messages
from selfplay.sandbox.routes import DEFAULT, Run, Server, Settings
from selfplay.sandbox.types import Sandbox

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_STOP_S = 30
"""What is running when the server is to stop may take so much longer."""


class _Guard:
    """Lets pass who has the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import PlainTextResponse

        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = PlainTextResponse("the token is missing or wrong", 401, {"WWW-Authenticate": "Bearer"})
                return await refusal(scope, receive, send)
        await self._app(scope, receive, send)


def application(sandbox: Sandbox, token: str | None = None, settings: Settings = DEFAULT) -> Starlette:
    """The server as an ASGI application; ends the sandbox when it stops.

    Raises:
        MissingExtra: starlette is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.routing import Route
    except ImportError:
        raise MissingExtra("a server of sandboxes", "serve") from None
    server = Server(sandbox, settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await sandbox.close()

    guard = Middleware(_Guard, token) if token else Middleware(TrustedHostMiddleware, [*LOOPBACK], www_redirect=False)
    routes = [
        Route(messages.ABOUT, server.about),
        Route(messages.RUN, Run(server, calls=False), methods=["POST"]),
        Route(messages.RUN_CALLS, Run(server, calls=True), methods=["POST"]),
        Route(messages.REPLY, server.reply, methods=["POST"]),
        Route("/run_code", server.run_code, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[guard], lifespan=lifespan)


def serve(
    sandbox: Sandbox,
    host: str = LOOPBACK[0],
    port: int = 0,
    token: str | None = None,
    settings: Settings = DEFAULT,
    on_start: Callable[[str], None] = print,
) -> None:
    """Serve until SIGINT or SIGTERM, and finish what is under way then.

    Args:
        sandbox: is started here, and ended.
        host: to bind to.
        port: 0: any.
        token: what clients must have.
        settings: what they may ask for.
        on_start: is given the server's URL.

    Raises:
        UsageError: others than this machine could connect, and there is no token.
        MissingExtra: uvicorn or starlette is not installed.
        RunError: the port is taken, or the sandbox cannot be started.
    """
    if host not in LOOPBACK and not token:
        raise UsageError(
            f"host {host}: other machines could run programs here, and there is no token\n"
            "  set SELFPLAY_SANDBOX_TOKEN, name a --token-file, or bind to 127.0.0.1"
        )
    app = application(sandbox, token, settings)
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise RunError(f"cannot listen at {host}, port {port}: {error}") from error
    with listener:
        asyncio.run(_serve(sandbox, app, listener, on_start))


async def _serve(sandbox: Sandbox, app: Starlette, listener: socket.socket, on_start: Callable[[str], None]) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
        ws="none",
    )
    async with sandbox:
        host, port = listener.getsockname()[:2]
        on_start(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        await uvicorn.Server(config).serve(sockets=[listener])
