"""What the run loop writes with: one object that owns the lock and all logs of a run.

    with RunWriter(folder) as writer:
        writer.event(events.generation_started(0, 64))
        writer.match(record)                     # whole or not at all, visible to viewers at once
        writer.metrics({...})
        writer.checkpoint(path, generation=0, update=3)

Only what it is given is written; the one thing added is the time of events and metrics, which nothing reads back.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from selfplay.errors import RunError, UsageError
from selfplay.record.codec import SCHEMA, dumps
from selfplay.record.events import Event, Metrics
from selfplay.record.folder import Checkpoint, RunFolder
from selfplay.record.index import Index
from selfplay.record.info import Status, write_atomically
from selfplay.record.log import JsonlLog, encode
from selfplay.types import Json, MatchRecord


class RunWriter:
    """The only writer of a run, from `__enter__` to `__exit__`. Call `RunFolder.rewind` inside, before the first line.

    Raises:
        UsageError: on entering, if another process writes this run or the folder is read-only.
        RunError: from every method, when the disk refuses; what was written before stays good.
    """

    def __init__(self, folder: RunFolder, *, fsync: bool = False, clock: Callable[[], float] = time.time) -> None:
        self.folder, self._fsync, self._clock = folder, fsync, clock
        self._logs: dict[Path, JsonlLog] = {}
        self._lock = folder.lock()
        self._index: Index | None = None

    def __enter__(self) -> RunWriter:
        self._lock.__enter__()
        info = self.folder.info()
        info.status, info.ended, info.attempts = Status.RUNNING, None, info.attempts + 1
        self.folder.save_info(info)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._catch_up()
        if self._index is not None:
            self._index.close()
        for log in self._logs.values():
            log.close()
        self._logs.clear()
        self._lock.__exit__(kind, value, at)

    def event(self, event: Event) -> None:
        """Append to ``events.jsonl``; build `event` with `selfplay.record.events`."""
        self._log(self.folder.events).append({"schema": SCHEMA, **event, "time": self._clock()})

    def metrics(self, line: Metrics) -> None:
        """Append to ``metrics.jsonl``."""
        self._log(self.folder.metrics).append({**line, "time": self._clock()})

    def match(self, record: MatchRecord) -> None:
        """Append a finished match to the log of its generation."""
        self._log(self.folder.matches(record.pairing.generation)).append_line(dumps(record))

    def close_generation(self, generation: int) -> None:
        """No more matches of this generation will come: release its file."""
        self._release(generation)
        self._catch_up()

    def live(self, lines: list[dict[str, Json]]) -> None:
        """Replace ``live.jsonl``, the featured match so far (see `selfplay.record.live`); a full disk is ignored."""
        with suppress(RunError):
            write_atomically(self.folder.live, "".join(encode(line) + "\n" for line in lines), durable=False)

    def checkpoint(self, path: Path, generation: int, update: int, **extra: Json) -> Checkpoint:
        """Seal the checkpoint folder `path`, whose other files are complete, with the logs as they are now."""
        for log in self._logs.values():
            log.sync()
        sealed = self.folder.seal(path, generation, update, **extra)
        for number in self.folder.match_logs():
            if number <= generation:
                self._release(number)
        self.folder.pack(generation)  # no rewind cuts these: it keeps them whole or deletes them
        return sealed

    def end(self, status: Status) -> None:
        """State in ``run.json`` how the run ended."""
        info = self.folder.info()
        info.status, info.ended = status, self._clock()
        self.folder.save_info(info)

    def _release(self, generation: int) -> None:
        log = self._logs.pop(self.folder.matches(generation), None)
        if log is not None:
            log.close()

    def _catch_up(self) -> None:
        """Bring the index up to date. It is a cache: where it cannot be written, the run goes on without."""
        with suppress(sqlite3.Error, OSError, UsageError, RunError):
            if self._index is None:
                self._index = Index(self.folder)
            else:
                self._index.catch_up()

    def _log(self, path: Path) -> JsonlLog:
        log = self._logs.get(path)
        if log is None:
            log = self._logs[path] = JsonlLog(path, fsync=self._fsync)
        return log
