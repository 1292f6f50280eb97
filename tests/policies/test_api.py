"""Endpoints: proper answers, every way to fail, and what each failure means."""

from __future__ import annotations

import logging
import random
import sys
import time
from typing import Any

import pytest
from endpoint_server import Server, answer, cut, dribble, error, raw

from selfplay.arena import Arena
from selfplay.errors import MissingExtra, RunError, UsageError
from selfplay.game import Game, Role
from selfplay.policies.api import ApiPolicy, ApiSettings, Endpoints, pace
from selfplay.policies.api.address import parse_address
from selfplay.policies.api.endpoint import retry_after
from selfplay.policies.api.pace import Pace, backoff
from selfplay.types import (
    Completion,
    Ending,
    FinishReason,
    Message,
    Pairing,
    Player,
    Request,
    Sampling,
    Turn,
    Unanswered,
)


def policy(server: Server, **settings: Any) -> ApiPolicy:
    return Endpoints(ApiSettings(**{"timeout_s": 5.0, **settings})).policy(server.player.removeprefix("openai:"))


def request(text: str = "hello", n: int = 1, sampling: Sampling = Sampling(max_tokens=20), **more: Any) -> Request:  # noqa: B008
    seeds = tuple((100 + i) << 33 for i in range(n))
    return Request("a", "a", None, (Message("system", "You are a."), Message("user", text)), sampling, seeds, **more)


def texts(policy: ApiPolicy, *requests: Request) -> list[list[str]]:
    return [[completion.text for completion in each] for each in policy.complete(requests)]


# ------------------------------------------------------------------ answers


def test_a_request_says_all_there_is_to_say_and_its_reply_has_no_tokens(endpoint: Server) -> None:
    endpoint.script(answer("hi there"))
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=7, max_tokens=33, stop=("!",))
    ((reply,),) = policy(endpoint).complete([request("hello", sampling=sampling)])
    assert (reply.text, reply.finish_reason) == ("hi there", FinishReason.STOP)
    assert reply.token_ids is None and reply.logprobs is None
    (asked,) = endpoint.asked
    assert asked.body == {
        "model": "tiny-chat",
        "messages": [{"role": "system", "content": "You are a."}, {"role": "user", "content": "hello"}],
        "temperature": 0.5, "top_p": 0.9, "top_k": 7, "max_tokens": 33, "seed": 100,
    }  # fmt: skip
    assert asked.headers["authorization"] == "Bearer sk-very-secret"


def test_the_whole_conversation_is_sent(endpoint: Server) -> None:
    said = Turn(None, (Message("user", "one"),), Completion("two"))
    asked = Request("a", "a", said, (Message("user", "three"),), Sampling(), (1,))
    policy(endpoint).complete([asked])
    assert [m["content"] for m in endpoint.asked[0].body["messages"]] == ["one", "two", "three"]


def test_siblings_are_asked_for_in_one_call(endpoint: Server) -> None:
    ((*replies,),) = texts(policy(endpoint), request(n=4))
    assert len(set(replies)) == 4 and [asked.body["n"] for asked in endpoint.asked] == [4]


def test_what_an_endpoint_leaves_out_is_asked_for_again_with_its_own_seed(endpoint: Server) -> None:
    endpoint.otherwise = answer(most=1)
    ((*replies,),) = texts(policy(endpoint), request(n=3))
    assert len(set(replies)) == 3
    assert [(asked.body.get("n", 1), asked.body["seed"]) for asked in endpoint.asked] == [(3, 100), (2, 101), (1, 102)]


def test_an_endpoint_that_refuses_siblings_is_asked_one_by_one_from_then_on(endpoint: Server) -> None:
    endpoint.script(error(400, "n must be 1"))
    one_by_one = policy(endpoint, concurrency=1)
    assert [len(each) for each in texts(one_by_one, request(n=3), request("more", n=2))] == [3, 2]
    assert [asked.body.get("n", 1) for asked in endpoint.asked] == [3, 1, 1, 1, 1, 1]


def test_replies_come_in_the_order_of_the_requests_and_are_asked_at_once(endpoint: Server) -> None:
    endpoint.script(*(answer(f"reply {i}", wait=0.3 - 0.05 * i) for i in range(4)))
    found = texts(policy(endpoint, concurrency=4), *(request(str(i)) for i in range(12)))
    asked = {asked.body["messages"][1]["content"]: i for i, asked in enumerate(endpoint.asked)}
    assert [found[i][0] for i in range(4)] == [f"reply {asked[str(i)]}" for i in range(4)]
    assert endpoint.most_at_once == 4


@pytest.mark.parametrize(
    ("said", "stop", "kept"),
    [
        ("a b! c? d", ("?", "!"), "a b!"),
        ("<x>1</x> and more", ("</x>",), "<x>1</x>"),
        ("ends by itself", ("</x>",), "ends by itself"),
    ],
)
def test_a_reply_ends_with_its_stop_string(endpoint: Server, said: str, stop: tuple[str, ...], kept: str) -> None:
    endpoint.script(answer(said, finish="length"))
    ((reply,),) = policy(endpoint).complete([request(sampling=Sampling(stop=stop))])
    assert reply.text == kept
    assert (reply.finish_reason is FinishReason.STOP) == any(each in said for each in stop)


def test_an_answer_without_text_is_an_empty_reply(endpoint: Server) -> None:
    endpoint.script(answer(None, finish="length"))
    ((reply,),) = policy(endpoint).complete([request()])
    assert (reply.text, reply.finish_reason) == ("", FinishReason.LENGTH)


def test_text_that_is_no_unicode_is_sent_all_the_same(endpoint: Server) -> None:
    assert texts(policy(endpoint), request("half \ud800 a pair"))
    assert endpoint.asked[0].body["messages"][1]["content"] == "half ? a pair"


def test_openai_itself_is_asked_in_its_newer_words(endpoint: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfplay.policies.api.address.OPENAI_URL", endpoint.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    Endpoints().policy("tiny-chat").complete([request()])
    (asked,) = endpoint.asked
    assert asked.body["max_completion_tokens"] == 20 and "max_tokens" not in asked.body
    assert asked.headers["authorization"] == "Bearer sk-openai"


def test_seeds_can_be_left_out(endpoint: Server) -> None:
    policy(endpoint, send_seed=False).complete([request()])
    assert "seed" not in endpoint.asked[0].body


# ----------------------------------------------------------------- failures


@pytest.mark.parametrize(
    "trouble",
    [
        error(500), error(503), error(408), error(409), error(429),
        raw(b"<html>proxy error</html>"), raw(b""), raw(b"[]"), raw(b'{"choices": []}'), raw(b"[" * 100_000),
        raw(b'{"choices": [{"message": {"content": 7}}]}'), raw(b'{"error": {"message": "overloaded"}}'),
        cut(), cut(b'{"choices": [{"mess'),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again(endpoint: Server, trouble: Any) -> None:
    endpoint.script(trouble, trouble, answer("at last"))
    assert texts(policy(endpoint), request()) == [["at last"]]
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize("trouble", [answer("late", wait=3.0), dribble(3.0)])
def test_a_slow_endpoint_is_not_waited_for(endpoint: Server, trouble: Any) -> None:
    endpoint.script(trouble, answer("in time"))
    start = time.monotonic()
    assert texts(policy(endpoint, timeout_s=0.3), request()) == [["in time"]]
    assert time.monotonic() - start < 2.8


def test_retry_after_makes_everybody_wait(endpoint: Server) -> None:
    endpoint.script(error(429, retry_after="0.6"))
    both = policy(endpoint, concurrency=1)
    start = time.monotonic()
    both.complete([request(), request("another")])
    assert all(asked.at - start >= 0.6 for asked in endpoint.asked[1:])


def test_a_pause_of_hours_ends_the_run_instead(endpoint: Server) -> None:
    endpoint.script(error(429, "daily limit", retry_after="7200"))
    with pytest.raises(RunError, match=r"left alone for 7200 s.*daily limit"):
        policy(endpoint).complete([request()])


def test_retry_after_is_read_in_all_its_forms() -> None:
    assert retry_after({"retry-after": "3"}, 0.0) == 3.0
    assert retry_after({"retry-after-ms": "250", "retry-after": "3"}, 0.0) == 0.25
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 50.0) == 10.0
    for nothing in ({}, {"retry-after": "soon"}, {"retry-after": "-1"}, {"retry-after": "nan"}):
        assert retry_after(nothing, 0.0) == 0.0


def test_pauses_grow_differ_and_come_from_the_seed() -> None:
    waits = [backoff(7, attempt) for attempt in range(8)]
    assert all(2**i / 2 <= wait <= 2**i for i, wait in enumerate(waits[:6]))
    assert max(waits) <= pace.LONGEST_WAIT_S
    assert waits == [backoff(7, attempt) for attempt in range(8)] != [backoff(8, attempt) for attempt in range(8)]


def test_the_global_generator_is_left_alone(endpoint: Server) -> None:
    endpoint.script(error(500), error(429, retry_after="0.01"))
    before = random.getstate()
    policy(endpoint).complete([request()])
    assert random.getstate() == before


class Solo(Game):
    a = Role("You are a.")

    async def play(self, match):
        (await match.ask(self.a, f"match {match.task}")).reward = 1.0


def test_a_refused_request_costs_its_match_and_no_other(endpoint: Server) -> None:
    def picky(handler: Any, body: dict[str, Any]) -> None:
        too_long = "match 2" in body["messages"][-1]["content"]
        (error(400, "context length exceeded") if too_long else answer())(handler, body)

    endpoint.otherwise = picky
    from selfplay.types import Task

    players = {"far": Player("far", policy(endpoint))}
    pairings = [Pairing("Solo", {"a": "far"}, {"a": True}, i, i, task=Task(i), sampling_seed=i) for i in range(5)]
    with Arena({"Solo": Solo()}, players) as arena:
        records = list(arena.play(pairings))
    assert [record.ending for record in records] == [Ending.OK, Ending.OK, Ending.ERROR, Ending.OK, Ending.OK]
    assert records[2].error == "player far failed: HTTP 400: context length exceeded"
    assert not records[2].moves


def test_a_withheld_reply_is_no_reply(endpoint: Server) -> None:
    endpoint.script(answer("", finish="content_filter"))
    filtered = policy(endpoint, price_in=1.0, price_out=1.0)
    with pytest.raises(Unanswered, match="content filter"):
        filtered.complete([request()])
    assert filtered._shared.ledger.bill.unclear == 1


def test_an_endpoint_that_stops_answering_ends_the_run(endpoint: Server) -> None:
    endpoint.script(answer())
    endpoint.otherwise = error(503, "overloaded")
    dead = policy(endpoint, retries=1, concurrency=4)
    dead.complete([request()])
    with pytest.raises(RunError, match=r"does not answer: HTTP 503: overloaded"):
        dead.complete([request(str(i)) for i in range(100)])
    assert len(endpoint.asked) <= 1 + 2 * 4 + 1


def test_a_request_that_the_endpoint_always_stumbles_over_does_not_end_the_run(endpoint: Server) -> None:
    def stumbles(handler: Any, body: dict[str, Any]) -> None:
        (error(500, "bug") if body["messages"][-1]["content"] == "poison" else answer())(handler, body)

    endpoint.otherwise = stumbles
    with pytest.raises(Unanswered, match="HTTP 500: bug, after 3 tries") as caught:
        policy(endpoint, retries=2).complete([request("poison")])
    assert len(caught.value.replies) == 1
    assert [asked.body["messages"][-1]["content"] for asked in endpoint.asked] == ["poison"] * 3 + ["Hi"]


def test_nobody_there_is_told_at_once(endpoint: Server) -> None:
    endpoint.down()
    with pytest.raises(RunError, match=r"(?s)nothing answers at http://127\.0\.0\.1.*URL right"):
        policy(endpoint).complete([request()])


def test_an_endpoint_may_come_back(endpoint: Server) -> None:
    import threading

    back = policy(endpoint)
    back.complete([request()])
    endpoint.down()
    threading.Timer(0.1, endpoint.up).start()
    assert texts(back, request("two"))
    endpoint.down()
    with pytest.raises(RunError, match="does not answer: nothing answers"):
        back.complete([request("three")])
    endpoint.up()
    assert texts(back, request("three"))


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (error(401, "Incorrect API key: sk-very-secret"), r"SELFPLAY_API_KEY: its value was rejected"),
        (error(403, "sk-very-secret is not allowed"), r"SELFPLAY_API_KEY: its value was rejected"),
        (error(404, "model sk-very-secret not found"), r"no model 'tiny-chat'.*\*\*\* not found\n  known there: other"),
        (error(402, "pay for sk-very-secret"), r"no money left: pay for \*\*\*"),
        (error(429, "quota", code="insufficient_quota"), r"no money left: quota"),
    ],
)
def test_what_is_wrong_for_all_requests_ends_the_run_without_a_word_about_the_key(
    endpoint: Server, trouble: Any, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = policy(endpoint, concurrency=2)
    endpoint.otherwise, endpoint.models = trouble, ("other",)
    with caplog.at_level(logging.DEBUG), pytest.raises(RunError, match=says) as caught:
        wrong.complete([request(str(i)) for i in range(50)])
    assert len(endpoint.asked) <= 4
    assert "secret" not in f"{caught.value} {caught.value.__cause__} {caplog.text}"


def test_an_interrupted_batch_ends_soon(endpoint: Server) -> None:
    import threading

    endpoint.otherwise = error(503, retry_after="30")
    waiting = policy(endpoint)
    threading.Timer(0.3, waiting.interrupt).start()
    start = time.monotonic()
    with pytest.raises(Unanswered, match="the run was stopping"):
        waiting.complete([request()])
    assert time.monotonic() - start < 5.0


def test_a_reply_cannot_be_continued(endpoint: Server) -> None:
    said = Turn(None, (Message("user", "one"),), Completion("two"))
    with pytest.raises(UsageError, match="cannot go on with its own reply"):
        policy(endpoint).complete([Request("a", "a", said, (), Sampling(), (1,))])
    assert not endpoint.asked


# --------------------------------------------------------------- rate limits


def test_rate_limits_hold_in_every_minute() -> None:
    import threading

    clock = [0.0]
    limited = Pace(3, 100, threading.Event(), clock=lambda: clock[0])
    sizes = [10, 10, 10, 50, 50, 1, 250, 1, 1, 1, 1]
    sent: list[tuple[float, int]] = []
    for size in sizes:
        clock[0] += max(0.0, limited.delay(size))
        assert limited.delay(size) <= 0
        limited.wait(size)
        sent.append((clock[0], size))
    for at, _ in sent:
        window = [size for when, size in sent if at - 60.0 < when <= at]
        assert len(window) <= 3 and (sum(window) <= 100 or window == [250])
    assert [at for at, _ in sent] == [0, 0, 0, 60, 60, 120, 180, 240, 240, 240, 300]


def test_requests_per_minute_are_kept_by_a_policy(endpoint: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "WINDOW_S", 0.5)
    limited, start = policy(endpoint, requests_per_minute=2), time.monotonic()
    limited.complete([request(str(i)) for i in range(5)])
    times = sorted(asked.at - start for asked in endpoint.asked)
    assert times[2] >= 0.5 and times[4] >= 1.0


# ------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("text", "model", "url", "env"),
    [
        ("gpt-x", "gpt-x", "https://api.openai.com/v1", "OPENAI_API_KEY"),
        (
            "org/m:free@https://router.example/api/v1/",
            "org/m:free",
            "https://router.example/api/v1",
            "SELFPLAY_API_KEY",
        ),
        ("m@2024-01@http://[::1]:8000/v1", "m@2024-01", "http://[::1]:8000/v1", "SELFPLAY_API_KEY"),
    ],
)
def test_addresses(text: str, model: str, url: str, env: str) -> None:
    found = parse_address(text)
    assert (found.model, found.url, found.key_env) == (model, url, env)
    assert parse_address(str(found).removeprefix("openai:")) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no model"),
        ("@http://localhost/v1", "names no model"),
        ("m@localhost:8000/v1", "begins with http"),
        ("m@http://", "is no URL"),
        ("m@http://x:port/v1", "is no URL"),
        ("m@https://me:pass@x/v1", "neither a password"),
        ("m@https://x/v1?key=pass", "neither a password"),
    ],
)
def test_wrong_addresses(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_address(text)
    assert "pass@" not in str(caught.value) and "key=" not in str(caught.value)


def test_openai_without_a_key_is_refused_and_other_endpoints_may_need_none(
    endpoint: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("SELFPLAY_API_KEY")
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        Endpoints().policy("gpt-x")
    assert texts(policy(endpoint), request())


def test_openais_key_goes_nowhere_else(endpoint: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SELFPLAY_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    policy(endpoint).complete([request()])
    assert "sk-openai" not in str(endpoint.asked[0].headers)


def test_the_client_library_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"selfplay\[api\]"):
        Endpoints().policy("m@http://localhost:1/v1")
