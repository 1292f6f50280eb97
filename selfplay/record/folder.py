"""The folder of one run: the only interface between the machine and its viewers.

    run.json  config.toml  config.input.toml
    events.jsonl  metrics.jsonl  matches/gen-0007.jsonl     append-only truth, packed once closed
    paid.jsonl                                              replies of endpoints, append-only, never cut back
    live.jsonl  index.sqlite                                disposable
    snapshots/gen-0007/  checkpoints/<name>/                large files, only here
    logs/attempt-2/  logs/latest

A checkpoint is a folder that holds ``checkpoint.json``, written last, with the size of every log at that moment. To
resume is to `rewind`: cut each log to its recorded size and delete what came later. Each step of that can be repeated,
so being killed in the middle of it costs nothing. What else lies in a checkpoint is the business of who made it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from selfplay.errors import RunError, UnknownName, UsageError
from selfplay.record import lock, packed
from selfplay.record.codec import SCHEMA, check_schema
from selfplay.record.info import RunInfo, write_atomically
from selfplay.record.log import check_size, sound_size
from selfplay.types import Json

_SEAL = "checkpoint.json"
INDEX_FILES = ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm")
_GENERATION = re.compile(r"gen-(\d+)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A sealed checkpoint."""

    path: Path
    generation: int
    """The last closed generation it contains; -1 for none."""
    update: int
    offsets: dict[str, int]
    """Size in bytes of every log, by path relative to the run folder."""


class RunFolder:
    """Paths of one run, and what may be done to the folder as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = path / "events.jsonl"
        self.metrics = path / "metrics.jsonl"
        self.paid = path / "paid.jsonl"
        self.live = path / "live.jsonl"
        self.index = path / "index.sqlite"
        self.config = path / "config.toml"
        self.config_input = path / "config.input.toml"
        self.snapshots = path / "snapshots"
        self.checkpoints = path / "checkpoints"
        self.logs = path / "logs"

    @classmethod
    def create(
        cls, root: Path | str, name: str, config_text: str, input_text: str, info: RunInfo, *, at: Path | None = None
    ) -> RunFolder:
        """Make the folder of a new run and point ``root/last`` at it.

        Args:
            root: where runs are kept; made if missing.
            name: becomes part of the folder's name.
            config_text: the resolved recipe, which runs again as it is.
            input_text: the recipe as the person wrote it.
            info: from `new_info`; gets its id here.
            at: this very folder, instead of one named by date, name and id under `root`.

        Raises:
            UsageError: the folder exists and is not empty, or cannot be written.
        """
        root = Path(root)
        path, info.id = _fresh(root, name, info.started) if at is None else (at, secrets.token_hex(2))
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(
                f"run folder {path} exists and is not empty\n"
                f"  resume it with: selfplay league --resume {path}\n  or choose another --name"
            )
        folder = cls(path)
        try:
            for each in (path, folder.matches_dir, folder.snapshots, folder.checkpoints, folder.logs):
                each.mkdir(parents=True, exist_ok=True)
            folder.config.write_text(config_text, "utf-8")
            folder.config_input.write_text(input_text, "utf-8")
            info.save(path / "run.json")
            _link(root / "last", Path(os.path.relpath(path, root)))  # last, so that it never leads to half a run
        except OSError as error:
            raise UsageError(
                f"cannot create the run folder {path}: {error.strerror}\n  choose a place you may write to with --root"
            ) from error
        return folder

    @classmethod
    def open(cls, name: str | Path = "last", root: Path | str = "runs") -> RunFolder:
        """Find a run by path, id, beginning of its id, folder name or name, or the word ``last``.

        Raises:
            UnknownName: no run is called that.
            UsageError: several are, or the path is no run folder.
        """
        path = Path(name)
        if (path / "run.json").is_file():
            return cls(path.resolve())
        root = Path(root)
        if str(name) == "last" and (root / "last" / "run.json").is_file():
            return cls((root / "last").resolve())
        if path.is_dir() and len(path.parts) > 1:
            raise UsageError(f"{path} is not a run folder: it has no run.json")
        runs = list_runs(root)
        found = _matching(str(name), runs)
        if not found:
            known = [word for _, info in runs for word in (info.id, info.name)]
            hint = f"runs are looked for in {root.absolute()}; `selfplay runs list` shows them"
            raise UnknownName("run", str(name), {*known, *(["last"] if runs else [])}, hint)
        if len(found) > 1:
            names = ", ".join(f"{info.id} ({info.name})" for _, info in found)
            raise UsageError(f"{name!r} could be any of these runs: {names}\n  give more of the id")
        return found[0][0]

    @property
    def handle(self) -> str:
        """What a command typed here calls this run: its id, or its path if it is not kept in ``./runs``."""
        path, here = self.path.resolve(), Path.cwd()
        if path.parent == Path("runs").resolve():
            return path.name[-4:]
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    # paths

    @property
    def matches_dir(self) -> Path:
        return self.path / "matches"

    def matches(self, generation: int) -> Path:
        """The log of one generation's matches."""
        return self.matches_dir / f"gen-{generation:04d}.jsonl"

    def match_logs(self) -> dict[int, Path]:
        """Generation -> log, in order, of those that exist, packed or not (`selfplay.record.packed`)."""
        found = {**_numbered(self.matches_dir, ".jsonl" + packed.SUFFIX), **_numbered(self.matches_dir, ".jsonl")}
        return {number: self.matches(number) for number in sorted(found)}

    def snapshot(self, generation: int) -> Path:
        """Folder of the weights as they were before generation `generation` was played; 0: as the run began."""
        return self.snapshots / f"gen-{generation:04d}"

    def new_attempt(self) -> Path:
        """Make ``logs/attempt-N`` for this process and point ``logs/latest`` at it."""
        number = 1 + max((int(p.name[8:]) for p in self.logs.glob("attempt-*") if p.name[8:].isdigit()), default=0)
        path = self.logs / f"attempt-{number}"
        path.mkdir(parents=True)
        _link(self.logs / "latest", Path(path.name))
        return path

    # run.json and the lock

    def info(self) -> RunInfo:
        """The content of ``run.json``; raises like `RunInfo.load`."""
        return RunInfo.load(self.path / "run.json")

    def save_info(self, info: RunInfo) -> None:
        """Replace ``run.json``; raises like `RunInfo.save`."""
        info.save(self.path / "run.json")

    def lock(self) -> AbstractContextManager[None]:
        """Be the only process that writes this run; ends with the process, however it dies.

        Raises:
            UsageError: on entering, if another process is at it, or the folder cannot be written.
        """
        return lock.hold(self.path)

    def is_locked(self) -> bool:
        """Whether a process on this machine is writing the run now."""
        return lock.is_held(self.path)

    # checkpoints

    def pack(self, generation: int) -> None:
        """Compress the match logs up to closed generation `generation`. Where the disk has no room they stay."""
        for number, log in self.match_logs().items():
            if number <= generation and log.exists():
                with contextlib.suppress(OSError):
                    packed.pack(log)

    def seal(self, path: Path, generation: int, update: int, **extra: Json) -> Checkpoint:
        """Declare the checkpoint folder `path` complete, with the logs as they are now (sync them before).

        Raises:
            RunError: the disk refused; the checkpoint does not count.
        """
        logs = {"events.jsonl": self.events, "metrics.jsonl": self.metrics}
        logs |= {f"matches/{log.name}": log for log in self.match_logs().values()}
        offsets = {name: sound_size(log) if log.exists() else packed.size_of(log) for name, log in logs.items()}
        data = {**extra, "schema": SCHEMA, "generation": generation, "update": update, "offsets": offsets}
        write_atomically(path / _SEAL, json.dumps(data, indent=2) + "\n")
        return Checkpoint(path, generation, update, offsets)

    def sealed(self) -> list[Checkpoint]:
        """All complete checkpoints, oldest first.

        Raises:
            UsageError: one was made by another version.
        """
        found = []
        for seal in self.checkpoints.glob(f"*/{_SEAL}"):
            data = json.loads(seal.read_text("utf-8"))
            check_schema(data, str(seal))
            found.append(Checkpoint(seal.parent, data["generation"], data["update"], data["offsets"]))
        return sorted(found, key=lambda c: (c.generation, c.update))

    def rewind(self, generation: int | None = None) -> Checkpoint | None:
        """Put the logs back to the last checkpoint, or the last one at or before closed generation `generation`.

        Later and unfinished checkpoints, later snapshots and match logs are deleted, and the index (it is a cache).
        With no checkpoint left all logs are emptied. May be killed and called again at any point.

        Returns:
            The checkpoint to load, or `None`: begin anew.

        Raises:
            RunError: a log is shorter than the checkpoint says, so it was changed from outside.
        """
        checkpoints = self.sealed()
        keep = [c for c in checkpoints if generation is None or c.generation <= generation]
        target = keep[-1] if keep else None
        offsets = target.offsets if target else {}
        for name, size in offsets.items():
            check_size(self.path / name, size)
        for later in checkpoints[len(keep) :]:
            (later.path / _SEAL).unlink()
        kept = {checkpoint.path for checkpoint in keep}
        for path in self.checkpoints.iterdir():
            if path.is_dir() and not path.is_symlink() and path not in kept:  # later ones, and those never sealed
                shutil.rmtree(path)
        for name in INDEX_FILES:
            (self.path / name).unlink(missing_ok=True)
        self.live.unlink(missing_ok=True)
        for log in (self.events, self.metrics, *self.match_logs().values()):
            size = offsets.get(str(log.relative_to(self.path)), 0)
            if size == 0 and log.parent == self.matches_dir:
                packed.remove(log)
            elif log.exists():
                os.truncate(log, size)
        for number, snapshot in _numbered(self.snapshots, "").items():
            if number > (target.generation if target else -1) + 1:  # gen-0 is what the run began with
                shutil.rmtree(snapshot)
        return target


def list_runs(root: Path | str = "runs") -> list[tuple[RunFolder, RunInfo]]:
    """All runs kept in `root` with what their ``run.json`` says, oldest first; folders that have none are skipped."""
    found = []
    for path in Path(root).glob("*/run.json"):
        if not path.parent.is_symlink():
            with contextlib.suppress(UsageError, RunError):
                found.append((RunFolder(path.parent.resolve()), RunInfo.load(path)))
    return sorted(found, key=lambda pair: (pair[1].started, pair[0].path.name))


def _matching(name: str, runs: list[tuple[RunFolder, RunInfo]]) -> list[tuple[RunFolder, RunInfo]]:
    """Runs with this id, folder name or name; failing that, runs whose id begins with it."""
    exact = [pair for pair in runs if name in (pair[1].id, pair[0].path.name)]
    return exact or [p for p in runs if name == p[1].name] or [p for p in runs if name and p[1].id.startswith(name)]


def _fresh(root: Path, name: str, started: float) -> tuple[Path, str]:
    """A folder name that is not taken, and its id."""
    day = time.strftime("%Y-%m-%d", time.localtime(started or time.time()))
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
    taken = {info.id for _, info in list_runs(root)}
    while (id := secrets.token_hex(2)) in taken:
        pass
    return root / f"{day}-{word}-{id}", id


def _numbered(parent: Path, suffix: str) -> dict[int, Path]:
    """``gen-NNNN`` + `suffix` entries of a folder by number, in order."""
    found = {}
    for path in parent.glob(f"gen-*{suffix}"):
        match = _GENERATION.fullmatch(path.name.removesuffix(suffix))
        if match:
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def _link(link: Path, target: Path) -> None:
    """Point a symbolic link at `target`, replacing an older one in one step."""
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
