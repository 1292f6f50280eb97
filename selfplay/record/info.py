"""``run.json``: what a run is, on which machine, from which code, and how it stands.

Small, rewritten as a whole by an atomic rename. It holds no results and nothing that the run computes with.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from selfplay.errors import RunError
from selfplay.record.codec import SCHEMA, check_schema
from selfplay.record.log import cannot_write
from selfplay.types import Json

_PACKAGES = ("selfplay", "numpy", "torch", "transformers", "trl", "accelerate", "peft", "vllm")


class Status(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    """A process works on it, or was killed while it did (`Run.alive` tells)."""
    DONE = "done"
    """It did all it planned."""
    STOPPED = "stopped"
    """A person or a health rule ended it early; it can be resumed."""
    FAILED = "failed"
    """An error ended it; it can be resumed once the cause is gone."""


@dataclass(slots=True)
class RunInfo:
    """The content of ``run.json``. Times are unix seconds."""

    id: str
    """Four hexadecimal digits, also the end of the folder's name; enough to name the run in commands."""
    name: str
    seed: int
    game: str = ""
    status: Status = Status.RUNNING
    started: float = 0.0
    ended: float | None = None
    attempts: int = 0
    """Processes that have worked on it."""
    command: list[str] = field(default_factory=list)
    git: dict[str, Json] | None = None
    """``commit``, ``dirty`` and, if dirty, ``diff`` (a hash of the changes); `None` outside a repository."""
    versions: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Json] = field(default_factory=dict)
    extra: dict[str, Json] = field(default_factory=dict)
    """Whatever else the recipe wants to see in listings."""

    def save(self, path: Path) -> None:
        """Write atomically.

        Raises:
            RunError: the disk refused.
        """
        text = json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2)
        write_atomically(path, text + "\n")

    @classmethod
    def load(cls, path: Path) -> RunInfo:
        """Read ``run.json``.

        Raises:
            UsageError: another schema version wrote it.
            RunError: it is missing or damaged.
        """
        try:
            data = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"cannot read {path}: {error}\n  every run folder has one; is this a run folder?") from error
        check_schema(data, f"{path}")
        try:
            known = {key: data[key] for key in cls.__slots__ if key in data}
            return cls(**{**known, "status": Status(data["status"])})
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} is damaged: {error}") from error


def new_info(name: str, seed: int, *, game: str = "", command: Sequence[str] | None = None, **extra: Json) -> RunInfo:
    """Facts about this process, machine and code for a run that starts now; its id is given by `RunFolder.create`."""
    return RunInfo(
        id="",
        name=name,
        seed=seed,
        game=game,
        started=time.time(),
        command=list(sys.argv if command is None else command),
        git=git_state(Path.cwd()),
        versions={"python": platform.python_version(), **_versions()},
        hardware=_hardware(),
        extra=extra,
    )


def git_state(folder: Path) -> dict[str, Json] | None:
    """Commit and dirty flag of the repository around `folder`; `None` if there is none, or no git."""

    def git(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout

    try:
        commit = git("rev-parse", "HEAD").strip()
        changes = git("status", "--porcelain")
        difference = git("diff", "HEAD") if changes else ""
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    state: dict[str, Json] = {"commit": commit, "dirty": bool(changes)}
    if changes:
        state["diff"] = hashlib.blake2b(difference.encode(), digest_size=8).hexdigest()
    return state


def write_atomically(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace a file as a whole: readers see the old text or the new one, if `durable` also after a power loss.

    Raises:
        RunError: the disk refused; the old file is untouched.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise cannot_write(path, error.strerror) from error


def _versions() -> Mapping[str, str]:
    def pairs() -> Iterator[tuple[str, str]]:
        for package in _PACKAGES:
            with contextlib.suppress(metadata.PackageNotFoundError):
                yield package, metadata.version(package)

    return dict(pairs())


def _hardware() -> dict[str, Json]:
    found: dict[str, Json] = {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count()}
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found["memory_mb"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    torch = sys.modules.get("torch")  # who uses it has imported it already; nobody else should pay for it
    if torch is not None and torch.cuda.is_available():
        found["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return found
