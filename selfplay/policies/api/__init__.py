"""Players behind an OpenAI-compatible endpoint: ``openai:MODEL`` or ``openai:MODEL@URL``.

    settings    what may be asked: limits, prices, the spending cap
    address     MODEL@URL, and which environment variable holds the key
    endpoint    one HTTP call, and what its failures mean
    pace        rate limits and backoff
    ledger      tokens, money, the cap
    policy      many calls at once, retried, paid for once; `Endpoints` is all of a run's together

Infrastructure trouble is never a bad reply: a request that stays without one ends its match as an error, and an
endpoint that stops answering ends the run, resumable. Replies carry no tokens, so nothing here can be trained.
"""

from __future__ import annotations

from selfplay.policies.api.ledger import CapReached
from selfplay.policies.api.policy import ApiPolicy, Endpoints, Journal, Paid
from selfplay.policies.api.settings import ApiSettings

__all__ = ["ApiPolicy", "ApiSettings", "CapReached", "Endpoints", "Journal", "Paid"]
