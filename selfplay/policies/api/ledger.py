"""Tokens and money. Before a request leaves, the most it can cost is set aside; nothing is asked that does not fit
under the cap, so the cap holds also while many requests are under way.

What a request that got no readable answer cost (a timeout, a connection cut) nobody can tell; it counts as the most.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from selfplay.errors import RunError
from selfplay.policies.api.settings import ApiSettings
from selfplay.types import Bill

_ROUNDING = 1e-9


class CapReached(RunError):
    """The next request could bring the spending above the cap; everything paid for is kept."""


class Ledger:
    """The account of a run; shared by all its endpoints and threads."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._bill = Bill()
        self._reserved = 0.0
        self._under_way = 0
        self._changed = threading.Condition()

    @property
    def bill(self) -> Bill:
        """A copy of the account as it stands."""
        with self._changed:
            return replace(self._bill)

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """Dollars for so many tokens."""
        return (tokens_in * self._settings.price_in + tokens_out * self._settings.price_out) / 1e6

    def reserve(self, most: float) -> None:
        """Set `most` dollars aside; waits for requests under way, which may turn out cheaper than they could have.

        Raises:
            CapReached: it does not fit under the cap.
        """
        cap = self._settings.spending_cap_usd
        with self._changed:
            while cap and self._spent + self._reserved + most > cap + _ROUNDING:
                if not self._under_way:
                    raise CapReached(
                        f"spending cap: ${self._spent:.4f} of ${cap:.4f} are spent, and the next request could cost "
                        f"${most:.4f}\n  every reply that was paid for is kept\n"
                        "  to go on, raise the cap: --set api.spending_cap_usd=..., or --spending-cap"
                    )
                self._changed.wait()
            self._reserved += most
            self._under_way += 1

    def settle(self, reserved: float, tokens_in: int, tokens_out: int, replies: int) -> float:
        """A request was answered; returns what it cost."""
        usd = self.cost(tokens_in, tokens_out)
        with self._returned(reserved):
            self._bill.add(replies, tokens_in, tokens_out, usd)
        return usd

    def write_off(self, reserved: float) -> None:
        """A request may have been charged, and nobody can tell."""
        with self._returned(reserved):
            self._bill.add(0, 0, 0, reserved)

    def release(self, reserved: float) -> None:
        """A request was refused, or never left."""
        with self._returned(reserved):
            pass

    def carry_over(self, earlier: Bill) -> None:
        """Take over what earlier processes of this run spent."""
        with self._changed:
            self._bill = replace(earlier, reused=self._bill.reused)

    def reuse(self, replies: int) -> None:
        """So many replies had been paid for before."""
        with self._changed:
            self._bill.reused += replies

    @property
    def _spent(self) -> float:
        return self._bill.usd + self._bill.unclear_usd

    @contextmanager
    def _returned(self, reserved: float) -> Iterator[None]:
        """Inside it the account may be changed; afterwards the money set aside is free again."""
        with self._changed:
            yield
            self._reserved -= reserved
            self._under_way -= 1
            self._changed.notify_all()
