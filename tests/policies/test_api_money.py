"""The spending cap holds whatever happens, and nothing is paid for twice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from endpoint_server import Server, answer, cut, error, raw
from hypothesis import given
from hypothesis import strategies as st

from selfplay.errors import RunError, UsageError
from selfplay.policies.api import ApiPolicy, ApiSettings, CapReached, Endpoints
from selfplay.policies.api.ledger import Ledger
from selfplay.run.paid import PaidReplies
from selfplay.types import Message, Request, Sampling

PRICES = {"price_in": 1000.0, "price_out": 2000.0}
"""A tenth and two tenths of a cent per token."""


def request(text: str = "hello", n: int = 1, seed: int = 0, most: int = 20) -> Request:
    seeds = tuple(each << 33 for each in range(seed, seed + n))  # their upper bits are sent
    return Request("a", "a", None, (Message("user", text),), Sampling(max_tokens=most), seeds, 3, (1, 2, 3))


def policy(server: Server, endpoints: Endpoints) -> ApiPolicy:
    return endpoints.policy(server.player.removeprefix("openai:"))


def spent(server: Server) -> float:
    """What the server would charge."""
    proper = server.answered
    return (10 * proper * PRICES["price_in"] + (server.tokens - 10 * proper) * PRICES["price_out"]) / 1e6


# ------------------------------------------------------------------- the cap


@given(
    cap=st.floats(0.1, 10.0),
    calls=st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 1.0), st.sampled_from(["paid", "lost", "refused"]))),
)
def test_the_account_never_passes_the_cap(cap: float, calls: list[tuple[float, float, str]]) -> None:
    ledger = Ledger(ApiSettings(spending_cap_usd=cap, price_in=1e6))
    for most, share, outcome in calls:
        before = ledger.bill
        try:
            ledger.reserve(most)
        except CapReached:
            assert before.usd + before.unclear_usd + most > cap
            assert ledger.bill == before
            continue
        if outcome == "paid":
            ledger.settle(most, int(most * share), 0, 1)
        elif outcome == "lost":
            ledger.write_off(most)
        else:
            ledger.release(most)
        assert ledger.bill.usd + ledger.bill.unclear_usd <= cap + 1e-8


def test_with_many_calls_at_once_the_cap_is_used_up_and_not_passed(endpoint: Server) -> None:
    shared = Endpoints(ApiSettings(spending_cap_usd=1.0, concurrency=8, **PRICES))
    with pytest.raises(CapReached, match=r"of \$1\.0000 are spent.*could cost") as caught:
        policy(endpoint, shared).complete([request(str(i)) for i in range(200)])
    assert "raise the cap" in str(caught.value)
    bill = shared.ledger.bill
    assert bill.usd == pytest.approx(spent(endpoint)) and bill.requests == endpoint.answered
    most = (64 + 16 + 3) / 1000 + 20 / 500
    assert 1.0 - most < bill.usd <= 1.0


def test_a_request_that_alone_would_pass_the_cap_is_never_sent(endpoint: Server) -> None:
    shared = Endpoints(ApiSettings(spending_cap_usd=0.1, **PRICES))
    with pytest.raises(CapReached):
        policy(endpoint, shared).complete([request(most=1000)])
    assert not endpoint.asked


def test_the_cap_is_of_all_endpoints_together(endpoint: Server) -> None:
    shared = Endpoints(ApiSettings(spending_cap_usd=0.2, **PRICES))
    first, second = (shared.policy(f"{model}@{endpoint.url}") for model in "ab")
    first.complete([request(most=1)])
    with pytest.raises(CapReached):
        for i in range(20):
            second.complete([request(str(i), most=1)])
    assert shared.ledger.bill.usd <= 0.2


def test_who_waits_for_money_gets_it_when_a_call_was_cheap() -> None:
    ledger = Ledger(ApiSettings(spending_cap_usd=1.0, price_in=1e6))
    ledger.reserve(0.8)
    waiting = threading.Thread(target=ledger.reserve, args=(0.9,))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    ledger.release(0.8)
    waiting.join(5.0)
    assert not waiting.is_alive()


@pytest.mark.parametrize("trouble", [cut(), raw(b"?"), answer(wait=1.0)])
def test_what_may_have_been_charged_counts_as_the_most(endpoint: Server, trouble: Any) -> None:
    shared = Endpoints(ApiSettings(timeout_s=0.4, **PRICES))
    endpoint.script(trouble)
    policy(endpoint, shared).complete([request()])
    bill = shared.ledger.bill
    assert (bill.requests, bill.unclear) == (1, 1)
    assert bill.unclear_usd == pytest.approx((64 + 16 + 5) / 1000 + 20 / 500)
    assert "1 requests without an answer, perhaps charged, at most $0.1250" in str(bill)


@pytest.mark.parametrize("trouble", [error(500), error(429)])
def test_what_was_turned_away_costs_nothing(endpoint: Server, trouble: Any) -> None:
    shared = Endpoints(ApiSettings(**PRICES))
    endpoint.script(trouble)
    policy(endpoint, shared).complete([request()])
    assert shared.ledger.bill.usd == pytest.approx(spent(endpoint)) and not shared.ledger.bill.unclear


def test_an_endpoint_that_does_not_count_is_counted_for(endpoint: Server) -> None:
    for usage in ({}, {"prompt_tokens": -5, "completion_tokens": 1}, {"prompt_tokens": "7"}):
        shared = Endpoints(ApiSettings(**PRICES))
        endpoint.script(answer("four", usage=usage))
        policy(endpoint, shared).complete([request()])
        assert (shared.ledger.bill.tokens_in, shared.ledger.bill.tokens_out) == (64 + 16 + 5, 64 + 16 + 4)


def test_a_cap_needs_prices() -> None:
    with pytest.raises(UsageError, match=r"no prices to reckon with\n  give api\.price_in"):
        ApiSettings(spending_cap_usd=5.0)


def test_a_bill_without_prices_says_so(endpoint: Server) -> None:
    shared = Endpoints()
    policy(endpoint, shared).complete([request()])
    assert str(shared.ledger.bill) == "1 requests to endpoints, 10 tokens in, 5 out; cost unknown, no prices given"


# --------------------------------------------------------------- the journal


def after_a_crash(path: Path, **settings: Any) -> Endpoints:
    """Endpoints as a new process has them."""
    fresh = Endpoints(ApiSettings(**{**PRICES, **settings}))
    fresh.keep(PaidReplies(path))
    return fresh


def test_replies_are_paid_for_once(endpoint: Server, tmp_path: Path) -> None:
    path = tmp_path / "paid.jsonl"
    first = after_a_crash(path)
    said = policy(endpoint, first).complete([request("one", n=3), request("two")])
    asked = len(endpoint.asked)
    second = after_a_crash(path)
    again = policy(endpoint, second).complete([request("two"), request("one", n=3), request("three")])
    assert [c.text for c in again[1]] == [c.text for c in said[0]] and again[0][0].text == said[1][0].text
    assert [a.body["messages"][0]["content"] for a in endpoint.asked[asked:]] == ["three"]
    bill = second.ledger.bill
    assert (bill.requests, bill.replies, bill.reused) == (3, 5, 4)
    assert bill.usd == pytest.approx(spent(endpoint))


@pytest.mark.parametrize(
    "other",
    [request("two"), request(seed=1), request(most=21), request(n=2), None],
    ids=["text", "seed", "most", "n", "model"],
)
def test_a_reply_is_used_for_its_own_request_only(endpoint: Server, tmp_path: Path, other: Request | None) -> None:
    path = tmp_path / "paid.jsonl"
    policy(endpoint, after_a_crash(path)).complete([request()])
    if other is None:
        endpoint.models = ("another",)
    policy(endpoint, after_a_crash(path)).complete([other or request()])
    assert len(endpoint.asked) == 2


def test_a_crash_between_siblings_loses_none(endpoint: Server, tmp_path: Path) -> None:
    path = tmp_path / "paid.jsonl"
    endpoint.script(answer(most=1), answer(most=1), error(401))
    with pytest.raises(RunError):
        policy(endpoint, after_a_crash(path)).complete([request(n=4)])
    ((*replies,),) = policy(endpoint, after_a_crash(path)).complete([request(n=4)])
    assert [asked.body.get("n", 1) for asked in endpoint.asked] == [4, 3, 2, 2]
    assert len({reply.text for reply in replies}) == 4


def test_replies_that_come_in_while_another_fails_are_kept(endpoint: Server, tmp_path: Path) -> None:
    path = tmp_path / "paid.jsonl"
    slow = answer(wait=0.3)
    endpoint.otherwise = lambda handler, body: (error(404) if body["messages"][0]["content"] == "bad" else slow)(
        handler, body
    )
    with pytest.raises(RunError):
        policy(endpoint, after_a_crash(path)).complete([request("good"), request("bad")])
    assert after_a_crash(path).ledger.bill.requests == 1


def test_the_cap_counts_what_earlier_processes_spent(endpoint: Server, tmp_path: Path) -> None:
    path = tmp_path / "paid.jsonl"
    endpoint.script(cut())
    for i in range(100):
        try:
            policy(endpoint, after_a_crash(path, spending_cap_usd=0.5)).complete([request(str(i))])
        except CapReached:
            break
    bill = after_a_crash(path).ledger.bill
    assert 0.3 < bill.usd + bill.unclear_usd <= 0.5 and bill.unclear == 1


def test_a_torn_line_costs_one_reply(endpoint: Server, tmp_path: Path) -> None:
    path = tmp_path / "paid.jsonl"
    policy(endpoint, after_a_crash(path)).complete([request("one"), request("two")])
    path.write_bytes(path.read_bytes()[:-7])
    torn = after_a_crash(path)
    assert torn.ledger.bill.requests == 1
    policy(endpoint, torn).complete([request("one"), request("two")])
    assert len(endpoint.asked) == 3 and after_a_crash(path).ledger.bill.requests == 2


def test_the_journal_holds_no_secret(endpoint: Server, tmp_path: Path) -> None:
    path = tmp_path / "paid.jsonl"
    policy(endpoint, after_a_crash(path)).complete([request()])
    assert "secret" not in path.read_text() and "127.0.0.1" not in path.read_text()
