"""Which sandbox: by name, with what belongs to it. For the command line and for recipes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from selfplay.sandbox.local import LocalSandbox
    from selfplay.sandbox.remote import RemoteSandbox

BACKENDS = ("local", "subprocess", "docker", "remote")
URL, TOKEN = "SELFPLAY_SANDBOX_URL", "SELFPLAY_SANDBOX_TOKEN"
"""Environment variables."""
_SHORTEST = 16


@dataclass(frozen=True, slots=True)
class Backend:
    """A choice, sound as far as that can be told without starting anything.

    Raises:
        UsageError: settings of another backend, or none for the servers of `remote`.
    """

    name: str = "local"
    workers: int = 0
    """Executions at a time, of `remote` requests at a time; 0: the backend's own number."""
    image: str = ""
    runtime: str = ""
    paranoid: bool = False
    url: str = ""
    """Of the servers, separated by commas; by default what `SELFPLAY_SANDBOX_URL` says."""
    token_file: Path | None = None
    """By default the token is what `SELFPLAY_SANDBOX_TOKEN` says."""

    def __post_init__(self) -> None:
        if self.name not in BACKENDS:
            raise UnknownName("backend", self.name, BACKENDS)
        if (self.image or self.runtime or self.paranoid) and self.name != "docker":
            raise UsageError(f"image, runtime and paranoid are about containers, not about {self.name}: use docker")
        if (self.url or self.token_file) and self.name != "remote":
            raise UsageError(f"url and token are about servers, not about {self.name}: use remote")
        if self.name == "remote":
            from selfplay.sandbox.connection import parse_address

            for url in self.urls.split(","):
                parse_address(url.strip())

    @property
    def urls(self) -> str:
        """Raises: UsageError: there are none."""
        found = self.url or os.environ.get(URL, "")
        if not found:
            raise UsageError(f"backend remote needs the URL of a server\n  name it, or set {URL}")
        return found

    def make(self, run: str) -> LocalSandbox | RemoteSandbox:
        """The sandbox, not yet started; `run` is what its containers are labelled with."""
        workers = self.workers or None
        if self.name == "subprocess":
            from selfplay.sandbox.subprocess import SubprocessSandbox

            return SubprocessSandbox(workers)
        if self.name == "docker":
            from selfplay.sandbox.docker import DockerSandbox

            image, runtime = self.image or None, self.runtime or None
            return DockerSandbox(workers, image=image, runtime=runtime, run=run, paranoid=self.paranoid)
        if self.name == "remote":
            from selfplay.sandbox.remote import RemoteSandbox

            return RemoteSandbox(self.urls, read_token(self.token_file), connections=workers)
        from selfplay.sandbox.local import LocalSandbox

        return LocalSandbox(workers)


def read_token(file: Path | None) -> str | None:
    """The token in a file, else in the environment. Never on a command line, where every user of the machine reads it.

    Raises:
        UsageError: no such file, or what is there is too short, or could not be sent.
    """
    where = str(file) if file else TOKEN
    try:
        token = (file.read_text("ascii") if file else os.environ.get(TOKEN, "")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the token in {where}: {error}") from error
    if not token and file is None:
        return None
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"the token in {where} is not {_SHORTEST} or more ASCII characters without spaces\n"
            '  make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return token
