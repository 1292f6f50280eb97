"""The pool of code checkers: one judge and its sandbox, on an event loop and thread of their own.

The engine, a notebook and a script call `judge` from any thread and get verdicts back; the sandbox starts with the
first claim. `current_pool()` is the pool of this process: that of the last `use_pool`, or one on the local sandbox with
the strict rules.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from selfplay.errors import RunError
from selfplay.sandbox.cache import VerdictCache
from selfplay.sandbox.judge import Claim, Judge, Rules
from selfplay.sandbox.tasks import CodeChecker, Order, Report
from selfplay.sandbox.types import Sandbox
from selfplay.types import Outcome, PooledChecker, Verdict

T = TypeVar("T")


class CodePool:
    """Judges the claims of `CodeChecker`s.

    Args:
        make: makes the sandbox, when it is needed.
        rules: what is refused.
        cache: where verdicts are kept.
    """

    def __init__(
        self, make: Callable[[], Sandbox], rules: Rules | None = None, cache: VerdictCache | None = None
    ) -> None:
        self.rules = rules or Rules()
        self.cache = VerdictCache() if cache is None else cache
        self._make = make
        self._sandbox: Sandbox | None = None
        self._judge: Judge | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: ThreadPoolExecutor
        """Of the loop; made and ended with it."""
        self._running: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._starting = asyncio.Lock()

    def judge(self, checks: Sequence[tuple[PooledChecker, Any]]) -> list[Verdict]:
        """See `selfplay.types.CheckerPool`.

        What is no program at all gives no verdict.

        Raises:
            UsageError, RunError: see `selfplay.sandbox.judge.Judge`.
        """
        claims = [_claim(checker, claim) for checker, claim in checks]
        programs = [claim for claim in claims if isinstance(claim, Claim)]
        verdicts = iter(self._wait_for(lambda judge: judge.judge(programs)))
        return [next(verdicts) if isinstance(claim, Claim) else claim for claim in claims]

    def carry_out(self, orders: Sequence[Order]) -> list[Report]:
        """Run programs without judging them, see `selfplay.sandbox.judge.Judge.carry_out`."""
        return self._wait_for(lambda judge: judge.carry_out(orders))

    def _wait_for(self, work: Callable[[Judge], Awaitable[T]]) -> T:
        running = asyncio.run_coroutine_threadsafe(self._work(work), self._started_loop())
        self._running.add(running)
        try:
            return running.result()
        except CancelledError:
            raise RunError("the judge was interrupted; its claims have no verdict") from None
        finally:
            self._running.discard(running)

    def interrupt(self) -> None:
        """Nobody wants the verdicts any more: whoever waits for them gets a `RunError`."""
        for running in list(self._running):
            running.cancel()

    def close(self) -> None:
        """End the sandbox. Another claim starts it again."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._close_sandbox(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._threads.shutdown()

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._threads = ThreadPoolExecutor(1, "selfplay-judge")
                self._loop.set_default_executor(self._threads)
                threading.Thread(target=self._loop.run_forever, name="selfplay-judge", daemon=True).start()
            return self._loop

    async def _work(self, work: Callable[[Judge], Awaitable[T]]) -> T:
        async with self._starting:
            if self._judge is None:
                self._sandbox = self._make()
                await self._sandbox.__aenter__()
                self._judge = Judge(self._sandbox, self.rules, self.cache)
        return await work(self._judge)

    async def _close_sandbox(self) -> None:
        sandbox, self._sandbox, self._judge = self._sandbox, None, None
        if sandbox is not None:
            await sandbox.close()


def _claim(checker: PooledChecker, claim: object) -> Claim | Verdict:
    if not isinstance(checker, CodeChecker):
        raise TypeError(f"{type(checker).__name__} is no checker of programs")
    try:
        return Claim(checker, checker.texts(claim))
    except TypeError as error:  # the game's mistake, which costs no other claim of the batch
        return Verdict(Outcome.NO_VERDICT, status="CRASH", detail=str(error))


_current: CodePool | None = None


def current_pool() -> CodePool:
    """The pool that judges the claims of this process."""
    global _current
    if _current is None:
        from selfplay.sandbox.local import LocalSandbox

        use_pool(CodePool(LocalSandbox))
    assert _current is not None
    return _current


def use_pool(pool: CodePool) -> None:
    """From now on this pool judges. The one before it is closed; this one is when the process ends."""
    global _current
    before, _current = _current, pool
    if before is not None:
        before.close()
        atexit.unregister(before.close)
    atexit.register(pool.close)
