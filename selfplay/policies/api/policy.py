"""The policy behind ``openai:...``: many calls at once, each retried, and each reply paid for once.

A reply is looked up in the journal before it is asked for. Its key is a hash of the model, the conversation, the
sampling settings and the request's seeds; the seeds are functions of match and path, so a resumed or repeated `exact`
run finds what it paid for, and nobody else does. The URL is not in it: the same model may move.

Stop strings are applied here and not sent: endpoints cut them off without saying which one it was, and our replies
keep them. What an endpoint writes behind one is paid for and dropped.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from selfplay.errors import RunError, UsageError
from selfplay.policies.api.address import Address, parse_address
from selfplay.policies.api.endpoint import Endpoint, Refused, Reply, Unavailable
from selfplay.policies.api.ledger import Ledger
from selfplay.policies.api.pace import Interrupted, Pace, backoff
from selfplay.policies.api.settings import ApiSettings
from selfplay.types import Bill, Completion, FinishReason, Message, Request, Sampling, Unanswered

FIRST_RETRIES = 2
"""Tries to reach an endpoint that never answered: a wrong address is likelier than bad luck."""


_PROBE = Request("", "", None, (Message("user", "Hi"),), Sampling(max_tokens=1), (0,))


@dataclass(frozen=True, slots=True)
class Paid:
    """One answered call, or one that may have been charged without an answer (no replies)."""

    key: str
    model: str
    seat: str
    number: int
    """Of the match in its generation."""
    path: tuple[int, ...]
    replies: list[Reply]
    tokens_in: int
    tokens_out: int
    usd: float


class Journal(Protocol):
    """Keeps what was paid for. Called from several threads."""

    bill: Bill
    """What earlier processes spent."""

    def replies(self, key: str) -> list[Reply]:
        """The replies kept under `key`, in order."""

    def write(self, paid: Paid) -> None:
        """Keep one call; returns when it is safe from a crash."""


class Endpoints:
    """All endpoints of a run or command: they share settings, the account and the journal."""

    def __init__(self, settings: ApiSettings = ApiSettings()) -> None:  # noqa: B008 - frozen
        self.settings = settings
        self.ledger = Ledger(settings)
        self.journal: Journal | None = None
        self._policies: dict[str, ApiPolicy] = {}

    def policy(self, text: str) -> ApiPolicy:
        """The player ``openai:text``.

        Raises:
            UsageError: no such form, or no key.
            MissingExtra: the client library is not installed.
        """
        if text not in self._policies:
            self._policies[text] = ApiPolicy(parse_address(text, self.settings.key_env), self)
        return self._policies[text]

    def keep(self, journal: Journal) -> None:
        """Use what `journal` has, write everything paid for into it, and go on with its account."""
        self.journal = journal
        self.ledger.carry_over(journal.bill)

    @property
    def used(self) -> bool:
        """Whether there is any."""
        return bool(self._policies)


class ApiPolicy:
    """A model behind an endpoint, as a `selfplay.types.Policy`. Replies have no tokens.

    Args:
        address: where it is.
        shared: settings, account and journal.
    """

    def __init__(self, address: Address, shared: Endpoints) -> None:
        self._address = address
        self._shared = shared
        self._endpoint = Endpoint(address, shared.settings)
        self._stop = threading.Event()
        settings = shared.settings
        self._pace = Pace(settings.requests_per_minute, settings.tokens_per_minute, self._stop)
        self._lock = threading.Lock()
        self._one_at_a_time = False
        self._answered = 0

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Replies for each request.

        Raises:
            Unanswered: some requests got none, after all retries.
            CapReached: the spending cap; replies under way meanwhile are in the journal.
            RunError: the endpoint is dead, or rejects key or model.
            UsageError: a request to continue a reply, which chat endpoints cannot.
        """
        self._stop.clear()
        with ThreadPoolExecutor(self._shared.settings.concurrency, "selfplay-api") as pool:
            outcomes = list(pool.map(self._guarded, requests))
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, Unavailable | Refused | Interrupted):
                raise outcome
        replies = [str(o) if isinstance(o, Exception) else o for o in outcomes]
        whole = [reply for reply in replies if not isinstance(reply, str)]
        if len(whole) < len(replies):
            raise Unanswered(replies)
        return whole

    def interrupt(self) -> None:
        """Ask for nothing more; calls under way end, and are kept."""
        self._stop.set()

    def _guarded(self, request: Request) -> list[Completion] | Exception:
        """The replies or what went wrong; what is wrong for all stops the others."""
        try:
            return self._replies(request)
        except (Unavailable, Refused) as error:
            return error
        except Interrupted:
            return Interrupted("not asked: the run was stopping")
        except Exception as error:
            self._stop.set()
            return error

    def _replies(self, request: Request) -> list[Completion]:
        if not request.messages:
            raise UsageError(
                f"player {self._address} cannot go on with its own reply (match.extend): chat endpoints begin a new one"
            )
        key, wanted, journal = key_of(self._address.model, request), len(request.seeds), self._shared.journal
        found = journal.replies(key)[:wanted] if journal else []
        self._shared.ledger.reuse(len(found))
        while len(found) < wanted:
            found += self._ask(request, key, request.seeds[len(found) :])
        return [completion_of(reply, request.sampling.stop) for reply in found]

    def _ask(self, request: Request, key: str, seeds: Sequence[int]) -> list[Reply]:
        """Some of the missing replies, at least one, whatever that takes."""
        wanted = 1 if self._one_at_a_time else len(seeds)
        attempt, before = 0, self._answered
        while True:
            try:
                replies = self._once(request, key, wanted, seeds[0])
            except Refused as refusal:
                if wanted > 1 and not refusal.charged:  # many endpoints refuse n > 1
                    wanted = 1
                    continue
                raise
            except Unavailable as trouble:
                retries = self._shared.settings.retries
                if not (trouble.alive or self._answered):
                    retries = min(retries, FIRST_RETRIES)
                if attempt >= retries:
                    self._look(trouble, before)
                    raise Unavailable(f"{trouble}, after {attempt + 1} tries") from None
                self._rest(trouble, backoff(seeds[0], attempt))
                attempt += 1
            else:
                self._one_at_a_time = self._one_at_a_time or wanted < len(seeds)
                return replies

    def _rest(self, trouble: Unavailable, wait: float) -> None:
        """Wait before the next try; if the endpoint asked for a pause, everybody does."""
        if trouble.after:
            self._pace.rest(trouble.after)
        self._pace.pause(max(wait, trouble.after))

    def _once(self, request: Request, key: str, n: int, seed: int) -> list[Reply]:
        """One call, paid and kept."""
        ledger, conversation, sampling = self._shared.ledger, request.conversation(), request.sampling
        most_in, most_out = tokens_at_most(m.text for m in conversation), n * sampling.max_tokens
        reserved = ledger.cost(most_in, most_out)
        ledger.reserve(reserved)
        try:
            self._pace.wait(most_in // 4 + most_out)
            answer = self._endpoint.ask(conversation, sampling, n, seed)
        except Exception as error:
            if isinstance(error, Unavailable | Refused) and error.charged:
                ledger.write_off(reserved)
                self._keep(request, key, [], (0, 0), reserved)
            else:
                ledger.release(reserved)
            raise
        counts = answer.usage or (most_in, tokens_at_most(reply.text for reply in answer.replies))
        self._answered += 1
        usd = ledger.settle(reserved, *counts, len(answer.replies))
        self._keep(request, key, answer.replies, counts, usd)
        return answer.replies

    def _keep(self, request: Request, key: str, replies: list[Reply], counts: tuple[int, int], usd: float) -> None:
        if self._shared.journal is not None:
            where = (self._address.model, request.seat, request.number, request.path)
            self._shared.journal.write(Paid(key, *where, replies, *counts, usd))

    def _look(self, trouble: Unavailable, before: int) -> None:
        """A request stays without a reply: is it the request, or the endpoint? One token more tells.

        Args:
            before: how often the endpoint had answered when the request began.

        Raises:
            RunError: the endpoint answers nobody.
        """
        with self._lock:
            if self._answered > before:
                return
            try:
                if trouble.alive:
                    self._once(_PROBE, key_of(self._address.model, _PROBE), 1, 0)
                    return
            except Unavailable as still:
                trouble = still
            except Refused:
                return
        raise RunError(
            f"player {self._address} does not answer: {trouble}\n"
            "  is the server running, and the URL right? every reply that was paid for is kept"
        )


def key_of(model: str, request: Request) -> str:
    """The name of a request's replies in the journal."""
    sampling = request.sampling
    settings = [sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_tokens, list(sampling.stop)]
    content = [model, request.conversation(), settings, list(request.seeds)]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


def tokens_at_most(texts: Iterable[str]) -> int:
    """An upper bound on the tokens of a conversation: a token is a byte at least, and templates add a few."""
    return 64 + sum(16 + len(text.encode("utf-8", "replace")) for text in texts)


def completion_of(reply: Reply, stop: Sequence[str]) -> Completion:
    """The reply up to and with the first stop string."""
    ends = [at + len(each) for each in stop if (at := reply.text.find(each)) >= 0]
    if ends:
        return Completion(reply.text[: min(ends)], finish_reason=FinishReason.STOP)
    return Completion(reply.text, finish_reason=reply.finish_reason)
