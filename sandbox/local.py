"""The sandbox of this machine: warm fork servers in namespaces, behind Landlock and seccomp. No daemon, no privileges.

The level is not what the kernel should do but what a hostile program found when it tried (`levels.PROBE`), on every
worker that is started; a worker that holds less than the first one did is not used.

What it does not do: the kernel is shared, so a hole in the kernel is a way out; how long things take can be observed;
and memory is limited per process, not per execution. docs/security.md says more.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Self

from selfplay.errors import RunError
from selfplay.sandbox.launch import launch
from selfplay.sandbox.levels import LAYERS, prove
from selfplay.sandbox.types import Answer, ExecResult, Job, Level
from selfplay.sandbox.worker import CannotStart, Launch, Worker, WorkerDied
from selfplay.sandbox.workers import Lane, Pool

RECYCLE_AFTER = 5000
_log = logging.getLogger(__name__)


class LocalSandbox:
    """See `selfplay.sandbox.types.Sandbox`.

    Args:
        workers: processes at a time, one per core unless given.
        without: layers not to use, of `LAYERS`; for tests, and for machines where one of them is in the way.
        recycle_after: executions after which a worker is replaced.
        apart: a worker is replaced before another submission comes to it.
    """

    backend = "local"

    def __init__(
        self,
        workers: int | None = None,
        *,
        without: Collection[str] = (),
        recycle_after: int = RECYCLE_AFTER,
        apart: bool = False,
    ) -> None:
        self.layers = {layer: layer not in without for layer in LAYERS}
        self.missing = {layer: "switched off" for layer in without}
        """Layers that do not hold, and why."""
        self._pool = Pool(self._start_worker, workers or os.cpu_count() or 1, recycle_after, apart=apart)
        self._level: Level | None = None

    @property
    def level(self) -> Level:
        """What was proven when the sandbox was started.

        Raises:
            RunError: it was not started.
        """
        if self._level is None:
            raise RunError("the sandbox is not started\n  use it as: async with LocalSandbox() as sandbox")
        return self._level

    def start(self) -> None:
        """Find out what this machine allows, and prove the level.

        Raises:
            RunError: not even an unprotected worker can be started.
        """
        if self._level is not None:
            return
        try:
            worker = self._first_worker()
            self._level = prove(worker)
            absent = {layer: "not offered by this kernel" for layer in LAYERS if not worker.claims[layer]}
            self.missing = absent | self.missing
            worker.close()
        except WorkerDied as error:
            raise RunError(f"the sandbox cannot be started: {error}") from error
        if self._level < Level.L3:
            _log.warning("the sandbox reaches level %s only: %s", self._level.name, self.missing)

    def _first_worker(self) -> Worker:
        """With namespaces if they can be had."""
        try:
            return Worker(self._launch(numpy=False))
        except CannotStart as error:
            self.layers["namespaces"] = False
            self.missing["namespaces"] = str(error)
            return Worker(self._launch(numpy=False))

    def _launch(self, *, numpy: bool) -> Launch:
        return launch(self.layers, numpy=numpy)

    def _start_worker(self, lane: Lane) -> Worker:
        worker = Worker(self._launch(numpy=lane.numpy))
        try:
            if (level := prove(worker)) < self.level:
                raise WorkerDied(f"a new worker reaches level {level.name} only, not {self.level.name}")
        except BaseException:
            worker.close()
            raise
        return worker

    async def run(self, batch: Sequence[Job], answer: Answer | None = None) -> list[ExecResult]:
        """See `selfplay.sandbox.types.Sandbox.run`."""
        return await self._pool.run(batch, answer, backend=self.backend, level=self.level)

    def describe(self) -> dict[str, object]:
        return {
            "backend": self.backend,
            "level": self.level.name,
            "layers": {layer: self.missing.get(layer, "in force") for layer in LAYERS},
            "workers": self._pool.workers,
        }

    async def close(self) -> None:
        """End all workers."""
        try:
            await asyncio.to_thread(self._pool.close)
        except RuntimeError:  # the interpreter is ending and starts no more threads
            self._pool.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
