"""When the next request may leave: requests and tokens per minute, pauses that an endpoint asks for, backoff.

Limits hold for any 60 seconds (a sliding window), by a monotonic clock; nothing of it is recorded.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable

from selfplay.seeds import mix

WINDOW_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0


class Interrupted(Exception):
    """Nobody wants the reply any more."""


class Pace:
    """Keeps the requests to one endpoint within its limits; shared by all threads that ask it.

    Args:
        requests, tokens: per minute; 0: no limit. A request larger than the limit on tokens leaves alone.
        stop: set to wake everybody who waits.
    """

    def __init__(
        self,
        requests: int,
        tokens: int,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests or math.inf
        self._tokens = tokens or math.inf
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: deque[tuple[float, int]] = deque()
        self._resting_until = -math.inf

    def wait(self, tokens: int) -> None:
        """Return when a request of so many tokens may leave; it counts as sent then.

        Raises:
            Interrupted: `stop` was set meanwhile.
        """
        while True:
            with self._lock:
                delay = self.delay(tokens)
                if delay <= 0:
                    self._sent.append((self._clock(), tokens))
            if self._stop.is_set():
                raise Interrupted
            if delay <= 0:
                return
            self._stop.wait(delay)

    def rest(self, seconds: float) -> None:
        """Send nothing for so long."""
        with self._lock:
            self._resting_until = max(self._resting_until, self._clock() + seconds)

    def pause(self, seconds: float) -> None:
        """Let one request wait; raises like `wait`."""
        if self._stop.wait(seconds):
            raise Interrupted

    def delay(self, tokens: int) -> float:
        """Seconds until a request of so many tokens may leave, as things stand."""
        now = self._clock()
        while self._sent and self._sent[0][0] <= now - WINDOW_S:
            self._sent.popleft()
        until = self._resting_until
        count, used = len(self._sent), sum(size for _, size in self._sent)
        for sent, size in self._sent:
            if count + 1 <= self._requests and used + tokens <= self._tokens:
                break
            until, count, used = max(until, sent + WINDOW_S), count - 1, used - size
        return until - now


def backoff(seed: int, attempt: int) -> float:
    """Seconds to wait after failure number `attempt` (from 0): doubling, with jitter between a half and the whole."""
    most = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt, 30))
    return most * random.Random(mix(seed, attempt)).uniform(0.5, 1.0)
