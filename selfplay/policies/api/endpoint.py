"""One call of an OpenAI-compatible chat endpoint, and what its failures mean.

    Unavailable   may pass: no connection, a timeout, 408, 409, 425, 429, 5xx, an answer that cannot be read
    Refused       this request will not be answered: 400, 413, 422, a content filter
    RunError      no request will be: the key is rejected, the model unknown, the money gone

https://platform.openai.com/docs/api-reference/chat/create. The answer is read under one deadline and up to a size, by
us: the client library's timeout starts again with every byte. Log-probabilities are not asked for: without the prompt's
token ids, which no chat endpoint gives, a reply could not be trained on.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from selfplay.errors import MissingExtra, RunError
from selfplay.policies.api.address import Address
from selfplay.policies.api.settings import ApiSettings
from selfplay.types import FinishReason, Json, Message, Sampling

if TYPE_CHECKING:
    import openai

MOST_BYTES = 1 << 25
LONGEST_REST_S = 600.0
"""An endpoint that wants a longer pause ends the run, which can be resumed later."""
_MAY_PASS = {408, 409, 425, 429}
_SHOWN = 300


class Unavailable(Exception):
    """No answer this time.

    Args:
        why: for people.
        after: seconds the endpoint asks to be left alone.
        charged: it may have been answered, out of our sight.
        alive: whether anybody is there at all.
    """

    def __init__(self, why: str, *, after: float = 0.0, charged: bool = True, alive: bool = True) -> None:
        super().__init__(why)
        self.after, self.charged, self.alive = after, charged, alive


class Refused(Exception):
    """The endpoint will not answer this request. `charged`: it was answered, and the answer withheld."""

    def __init__(self, why: str, *, charged: bool = False) -> None:
        super().__init__(why)
        self.charged = charged


class Reply(NamedTuple):
    """One text."""

    text: str
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call gave."""

    replies: list[Reply]
    """At least one, at most as many as asked for."""
    usage: tuple[int, int] | None
    """Tokens in and out, or `None` where the endpoint does not say."""


class Endpoint:
    """A model at an address. May be called from several threads.

    Raises:
        MissingExtra: the client library is not installed.
        UsageError: no key.
    """

    def __init__(self, address: Address, settings: ApiSettings) -> None:
        try:
            import openai
        except ImportError:
            raise MissingExtra(f"player {address}", "api") from None
        self._address = address
        self._settings = settings
        self._key = address.key()
        # Retries are ours: the library's draw from the global generator.
        self._client = openai.OpenAI(
            api_key=self._key or "none", base_url=address.url, timeout=settings.timeout_s, max_retries=0
        )

    def ask(self, messages: Sequence[Message], sampling: Sampling, n: int, seed: int) -> Answer:
        """Ask for `n` replies; the endpoint may give fewer.

        Raises:
            Unavailable, Refused, RunError: see the module's text.
        """
        import openai

        deadline = time.monotonic() + self._settings.timeout_s
        try:
            with self._client.chat.completions.with_streaming_response.create(
                **self._body(messages, sampling, n, seed)
            ) as response:
                raw = _read(response.iter_bytes(), deadline)
        except openai.APIStatusError as error:
            self._explain(error)
        except openai.APITimeoutError as error:
            raise Unavailable(f"no answer within {self._settings.timeout_s:g} s", charged=_connected(error)) from None
        except openai.APIConnectionError as error:
            there = _connected(error)
            what = "the connection broke off" if there else f"nothing answers at {self._address.url}"
            cause = self._clean(str(error.__cause__ or error))
            raise Unavailable(f"{what} ({cause})", charged=there, alive=there) from None
        except TooSlow:
            raise Unavailable(f"no whole answer within {self._settings.timeout_s:g} s") from None
        except (
            Exception
        ) as error:  # the body is read by whatever HTTP library the client brings, with errors of its own
            raise Unavailable(f"the answer broke off ({type(error).__name__}: {self._clean(str(error))})") from None
        return self._parse(raw, n)

    def _body(self, messages: Sequence[Message], sampling: Sampling, n: int, seed: int) -> dict[str, Any]:
        longest = "max_completion_tokens" if self._address.is_openai else "max_tokens"
        body: dict[str, Any] = {
            "model": self._address.model,
            "messages": [{"role": m.role, "content": storable(m.text)} for m in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            longest: sampling.max_tokens,
        }
        if n > 1:
            body["n"] = n
        if self._settings.send_seed:
            body["seed"] = seed >> 33  # some servers take 32 bits, some 31
        if sampling.top_k:
            body["extra_body"] = {"top_k": sampling.top_k}
        return body

    def _parse(self, raw: bytes, n: int) -> Answer:
        try:
            data = json.loads(raw)
            choices = data["choices"][:n]
            replies = [_reply(choice) for choice in choices]
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
            shown = self._clean(raw[:_SHOWN].decode("utf-8", "replace"))
            raise Unavailable(f"the answer is no chat completion: {shown!r}") from None
        if not replies:
            raise Unavailable("the answer holds no reply")
        return Answer(replies, _usage(data.get("usage")))

    def _explain(self, error: openai.APIStatusError) -> NoReturn:
        """Raise what an HTTP error means."""
        status, where = error.status_code, f"{self._address.url} (HTTP {error.status_code})"
        told = error.body.get("message") if isinstance(error.body, dict) else None
        said = self._clean(str(told or error.message))
        if status in (401, 403):
            state = "its value was rejected" if self._key else "it is not set"
            raise RunError(
                f"{where} asks {self._address.model} of nobody without a valid key\n"
                f"  the key is read from the environment variable {self._address.key_env}: {state}"
            ) from None
        if status == 402 or error.code == "insufficient_quota":
            raise RunError(f"{where}: the account has no money left: {said}") from None
        if status == 404:
            raise RunError(f"{where} knows no model {self._address.model!r}: {said}\n  {self._models()}") from None
        if status in _MAY_PASS or status >= 500:
            after = retry_after(error.response.headers, time.time())
            if after > LONGEST_REST_S:
                raise RunError(f"{where} wants to be left alone for {after:.0f} s; resume later: {said}") from None
            raise Unavailable(f"HTTP {status}: {said}", after=after, charged=False) from None
        raise Refused(f"HTTP {status}: {said}") from None

    def _models(self) -> str:
        """A hint after an unknown model."""
        try:
            found = sorted(model.id for model in self._client.models.list(timeout=5.0))
        except Exception:  # only a hint
            found = []
        if not found:
            return "is the URL right? most end in /v1"
        return f"known there: {self._clean(', '.join(found))}"

    def _clean(self, text: str) -> str:
        """Foreign text, fit for a message: one line, not long, without the key."""
        if self._key:
            text = text.replace(self._key, "***")
        text = " ".join(text.split())
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


class TooSlow(Exception):
    """The deadline passed, or the answer is far too long."""


def storable(text: str) -> str:
    """`text` with lone surrogates, which no JSON request may hold, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds that ``Retry-After`` (seconds or a date, RFC 9110 section 10.2.3) asks for; 0 without one."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * unit
        except ValueError:
            date = email.utils.parsedate_tz(value) if name == "retry-after" else None
            seconds = email.utils.mktime_tz(date) - now if date else 0.0
        if seconds > 0:  # nan is not
            return seconds
    return 0.0


def _read(chunks: Any, deadline: float) -> bytes:
    found = bytearray()
    for chunk in chunks:
        found += chunk
        if len(found) > MOST_BYTES or time.monotonic() > deadline:
            raise TooSlow
    return bytes(found)


def _connected(error: BaseException) -> bool:
    """Whether a connection was made before it failed."""
    return type(error.__cause__).__name__ not in ("ConnectError", "ConnectTimeout", "UnsupportedProtocol", "ProxyError")


def _reply(choice: Mapping[str, Json]) -> Reply:
    """A choice of the answer; raises TypeError, KeyError or AttributeError if it is none."""
    message, reason = choice["message"], choice.get("finish_reason")
    text = message.get("content") or message.get("refusal") or ""
    if reason == "content_filter":
        raise Refused("the endpoint's content filter withheld the reply", charged=True)
    if not isinstance(text, str):
        raise TypeError
    return Reply(text, FinishReason.LENGTH if reason == "length" else FinishReason.STOP)


def _usage(given: Json) -> tuple[int, int] | None:
    if not isinstance(given, dict):
        return None
    counts = given.get("prompt_tokens"), given.get("completion_tokens")
    if all(type(count) is int and count >= 0 for count in counts):
        return counts  # type: ignore[return-value]
    return None
