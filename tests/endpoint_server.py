"""An OpenAI-compatible server of the tests' own, as unreliable as they want it.

    server.script(error(503), cut(), slow(0.5))     what the next requests get; all later ones a proper answer

Its replies are a function of the conversation and the seed, as a model's at a fixed seed would be.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Behaviour = Callable[["Handler", dict[str, Any]], None]


class Asked(NamedTuple):
    """One request that arrived."""

    body: dict[str, Any]
    headers: dict[str, str]
    at: float


@dataclass
class Server:
    """Start with `up`; `down` makes the port refuse connections until the next `up`."""

    port: int = 0
    otherwise: Behaviour | None = None
    """What requests get that the script says nothing about; by default a proper answer."""
    models: tuple[str, ...] = ("tiny-chat",)

    def __post_init__(self) -> None:
        self.asked: list[Asked] = []
        self.answered = 0
        self.tokens = 0
        """Billed, in and out."""
        self.most_at_once = self._at_once = 0
        self._script: deque[Behaviour] = deque()
        self._lock = threading.Lock()
        self._http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def player(self) -> str:
        return f"openai:{self.models[0]}@{self.url}"

    def script(self, *behaviours: Behaviour) -> None:
        self._script.extend(behaviours)

    def up(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self._http.fake = self  # type: ignore[attr-defined]
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def down(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def serve(self, handler: Handler, body: dict[str, Any]) -> None:
        with self._lock:
            self.asked.append(Asked(body, {k.lower(): v for k, v in handler.headers.items()}, time.monotonic()))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            behaviour = self._script.popleft() if self._script else self.otherwise or answer()
        try:
            behaviour(handler, body)
        finally:
            with self._lock:
                self._at_once -= 1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._alive() and self.path.endswith("/chat/completions"):
            self.fake.serve(self, body)

    def do_GET(self) -> None:
        if self._alive():
            self.send(200, json.dumps({"object": "list", "data": [{"id": m} for m in self.fake.models]}).encode())

    @property
    def fake(self) -> Server:
        return self.server.fake  # type: ignore[attr-defined]

    def _alive(self) -> bool:
        """A connection kept from before `down` gets no answer either."""
        if self.fake._http is self.server:
            return True
        self.close_connection = True
        return False

    def send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):  # nobody waits any more
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


def text_for(body: dict[str, Any], i: int) -> str:
    """What the model says as reply `i`."""
    given = json.dumps([body["messages"], body.get("seed"), i])
    return "say " + hashlib.blake2b(given.encode(), digest_size=3).hexdigest()


def answer(
    *texts: str | None, finish: str = "stop", most: int = 99, usage: dict[str, Any] | None = None, wait: float = 0.0
) -> Behaviour:
    """A proper answer with these texts; at most `most` choices; `usage={}`: without any."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(wait)
        given = texts or [text_for(body, i) for i in range(body.get("n", 1))]
        said = [
            {"index": i, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
            for i, text in enumerate(given[:most])
        ]
        counts = {"prompt_tokens": 10, "completion_tokens": 5 * len(said)} if usage is None else usage
        with handler.fake._lock:
            handler.fake.answered += 1
            handler.fake.tokens += sum(v for v in counts.values() if isinstance(v, int))
        data = {"id": "x", "object": "chat.completion", "model": body["model"], "choices": said, "usage": counts}
        handler.send(200, json.dumps(data).encode())

    return behave


def error(status: int, text: str = "no", code: str | None = None, **headers: str) -> Behaviour:
    """An HTTP error in OpenAI's form; ``retry_after="3"`` is the header ``Retry-After``."""
    content = json.dumps({"error": {"message": text, "type": "x", "param": None, "code": code}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, body: handler.send(status, content, named)


def raw(content: bytes) -> Behaviour:
    """This as the body of an answer that claims to be fine."""
    return lambda handler, body: handler.send(200, content)


def cut(after: bytes = b"") -> Behaviour:
    """The connection breaks, after these bytes of an answer of 1000."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        if after:
            handler.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n" + after
            )
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    return behave


def dribble(seconds: float) -> Behaviour:
    """A space every 50 ms: no silence, and no end."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n")
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass
        handler.close_connection = True

    return behave
