"""`check` and `call`: judgements and services from outside the players."""

from __future__ import annotations

import pytest

from selfplay.driver import Limits
from selfplay.errors import NoVerdict
from selfplay.game import Game, Role
from selfplay.types import Outcome, Verdict


class Solo(Game):
    a = Role("You are a.")


class Flaky:
    """Gives the listed outcomes, one after the other."""

    def __init__(self, *found) -> None:
        self.found = list(found)
        self.claims: list[object] = []

    def __call__(self, claim):
        self.claims.append(claim)
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def judged(play, checker, **more):
    """The record of a match with one checked move that is rewarded 1, and the verdict."""
    seen = []

    class Judged(Solo):
        async def play(self, match):
            move = await match.ask(self.a, "claim?")
            move.reward = 1.0
            seen.append(await match.check(checker, move.text, about=[move]))

    record = play(Judged(), {"a": ["2+2=4"]}, **more)
    assert record.error is None
    return record, seen[0]


@pytest.mark.parametrize(
    ("found", "outcome", "score"),
    [
        (True, Outcome.PASS, 1.0),
        (False, Outcome.FAIL, 0.0),
        (1.0, Outcome.PASS, 1.0),
        (0.4, Outcome.FAIL, 0.4),
        (Verdict(Outcome.PASS, status="PROVED"), Outcome.PASS, None),
        (Verdict(Outcome.INVALID_CLAIM, blame="proposer"), Outcome.INVALID_CLAIM, None),
    ],
)
def test_what_a_checker_may_return(play, found, outcome: Outcome, score: float | None) -> None:
    checker = Flaky(found)
    record, verdict = judged(play, checker)
    assert (verdict.outcome, verdict.score, bool(verdict)) == (outcome, score, outcome is Outcome.PASS)
    assert checker.claims == ["2+2=4"] and record.moves[0].reward == 1.0
    (fact,) = record.facts
    assert (fact.path, fact.kind, fact.data["outcome"], fact.data["about"]) == ((1,), "check", outcome.value, ["0"])


def test_undecided_is_never_wrong_it_masks(play) -> None:
    record, verdict = judged(play, Flaky(Verdict(Outcome.UNDECIDED)))
    assert not verdict
    assert (record.moves[0].reward, record.moves[0].why_masked) == (None, "undecided")


def test_the_game_may_reward_an_undecided_move_after_all(play) -> None:
    class Lenient(Solo):
        async def play(self, match):
            move = await match.ask(self.a, "claim?")
            await match.check(Flaky(Verdict(Outcome.UNDECIDED)), move.text, about=move)
            move.why_masked, move.reward = None, 0.25

    assert play(Lenient(), {"a": ["x"]}).moves[0].reward == 0.25


@pytest.mark.parametrize("trouble", [OSError("worker died"), Verdict(Outcome.NO_VERDICT), None, float("nan"), "yes"])
def test_no_verdict_is_tried_once_more(play, trouble) -> None:
    checker = Flaky(trouble, True)
    record, verdict = judged(play, checker)
    assert verdict and len(checker.claims) == 2 and record.moves[0].reward == 1.0


def test_no_verdict_twice_masks_and_has_no_truth_value(play) -> None:
    record, verdict = judged(play, Flaky(OSError("worker died"), OSError("worker died again")))
    assert verdict.outcome is Outcome.NO_VERDICT and "worker died again" in verdict.detail
    assert (record.moves[0].reward, record.moves[0].why_masked) == (None, "no_verdict")
    with pytest.raises(NoVerdict, match="CRASH: OSError: worker died again"):
        bool(verdict)


def test_asking_a_missing_verdict_for_its_truth_is_an_error_of_the_match(play) -> None:
    class Hasty(Solo):
        async def play(self, match):
            if await match.check(Flaky(OSError("a"), OSError("b")), "claim"):
                match.draw()

    assert play(Hasty(), {}).error.startswith("NoVerdict: ")


def test_a_checker_that_hangs_gives_no_verdict(play) -> None:
    def forever(claim):
        while True:
            pass

    record, verdict = judged(play, forever, limits=Limits(step_s=0.15))
    assert verdict.outcome is Outcome.NO_VERDICT and "GameHung" in verdict.detail
    assert record.moves[0].reward is None


# ---------------------------------------------------------------------------------------------------------------- call


class Searching(Solo):
    async def play(self, match):
        found = await match.call("search", {"query": ("a", "b")})
        found["hits"].append("changed by the game")
        match.note(hits=found["hits"])


def test_a_call_is_recorded_as_it_was(play) -> None:
    class Offers(Searching):
        tools = {"search": lambda args: {"hits": [args["query"]]}}

    record = play(Offers(), {})
    call, note = record.facts
    assert call.data == {"tool": "search", "args": {"query": ["a", "b"]}, "result": {"hits": [["a", "b"]]}}
    assert note.data == {"hits": [["a", "b"], "changed by the game"]}


def test_the_runs_tools_come_before_the_games(play) -> None:
    class Offers(Searching):
        tools = {"search": lambda args: {"hits": ["game"]}}

    record = play(Offers(), {}, tools={"search": lambda args: {"hits": ["run"]}})
    assert record.facts[0].data["result"] == {"hits": ["run"]}


def broken(args):
    raise OSError("no network")


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ({}, "unknown tool 'search'"),
        ({"serach": broken}, "did you mean 'serach'?"),
        ({"search": broken}, "tool search failed: OSError: no network (test_outside.py:"),
        ({"search": lambda args: object()}, "plain JSON values were expected"),
        ({"search": lambda args: {1: 2}}, "plain JSON values were expected"),
    ],
)
def test_a_tool_that_is_missing_or_fails_ends_the_match(play, tools, words: str) -> None:
    record = play(Searching(), {}, tools=tools)
    assert record.ending == "error" and words in record.error
