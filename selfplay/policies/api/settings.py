"""How endpoints may be used."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.errors import UsageError


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Limits and prices, the same for every endpoint of a run. Money is in US dollars.

    Raises:
        UsageError: a cap without prices, for nobody could tell when it is reached.
    """

    spending_cap_usd: float = 0.0
    """Nothing is asked that could bring the spending above this; 0: no cap."""
    price_in: float = 0.0
    """Per million prompt tokens."""
    price_out: float = 0.0
    """Per million reply tokens."""
    requests_per_minute: int = 0
    """Per endpoint; 0: as fast as it answers."""
    tokens_per_minute: int = 0
    """Per endpoint, prompts and replies; 0: no limit."""
    timeout_s: float = 60.0
    """Seconds for one whole reply."""
    retries: int = 6
    """Further tries after a failure that may pass."""
    concurrency: int = 16
    """Requests under way at once, per endpoint."""
    key_env: str = ""
    """Environment variable that holds the key, if not the usual one (see `address`)."""
    send_seed: bool = True
    """Send each request's seed; endpoints that know it reply the same again."""

    def __post_init__(self) -> None:
        if self.spending_cap_usd and not (self.price_in or self.price_out):
            raise UsageError(
                f"spending cap of ${self.spending_cap_usd:g} (api.spending_cap_usd), but no prices to reckon with\n"
                "  give api.price_in and api.price_out, in dollars per million tokens"
            )
