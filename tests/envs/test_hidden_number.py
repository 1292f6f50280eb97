"""Hidden number's rules, over several turns, with replies written down."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice

import pytest

from selfplay.envs.hidden_number import HiddenNumber, held_out
from selfplay.errors import UsageError
from selfplay.policies.bots import Replies
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]
TASK = {"hidden": 62}


def rewards(record: MatchRecord, role: str) -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


def test_the_guesser_wins_by_finding_the_number(play: Playing) -> None:
    record = play(HiddenNumber(), {"guesser": ["50", "75", "62"], "keeper": ["higher", "Lower.", "correct"]}, task=TASK)
    assert record.result == {"keeper": 0.0, "guesser": 1.0} and record.ending is Ending.OK
    assert rewards(record, "guesser") == [1.0] * 3 and rewards(record, "keeper") == [1.0] * 3


def test_the_keeper_wins_when_the_guesses_are_used_up(play: Playing) -> None:
    record = play(HiddenNumber(guesses=2), {"guesser": ["50", "75"], "keeper": ["higher", "lower"]}, task=TASK)
    assert record.result == {"keeper": 1.0, "guesser": 0.0}
    assert rewards(record, "guesser") == [0.0] * 2 and rewards(record, "keeper") == [1.0] * 2


def test_a_lie_is_a_foul_that_loses_and_spares_the_guesser(play: Playing) -> None:
    record = play(HiddenNumber(), {"guesser": ["50", "75"], "keeper": ["higher", "higher"]}, task=TASK)
    assert record.result == {"keeper": 0.0, "guesser": 1.0} and record.ending is Ending.OK
    assert rewards(record, "keeper") == [1.0, -1.0] and record.moves[-1].foul == "not true"
    assert rewards(record, "guesser") == [None, None]
    assert [fact.data["outcome"] for fact in record.facts if fact.kind == "check"] == ["pass", "fail"]


def test_each_seat_sees_its_own_conversation_only(play: Playing) -> None:
    replies = Replies({"guesser": ["50", "75", "62"], "keeper": ["higher", "lower", "correct"]})
    play(HiddenNumber(), replies, task=TASK)
    last = {request.role: [message.text for message in request.conversation()[1:]] for request in replies.requests}
    assert last["guesser"] == ["Guess a number from 1 to 100.", "50", "higher", "75", "lower"]
    assert last["keeper"] == ["The number is 62.\n\nGuess: 50", "higher", "Guess: 75", "lower", "Guess: 62"]


def test_an_unreadable_guess_may_be_tried_once_more(play: Playing) -> None:
    replies = Replies({"guesser": ["fifty", "62"], "keeper": ["correct"]})
    record = play(HiddenNumber(), replies, task=TASK)
    assert record.result == {"keeper": 0.0, "guesser": 1.0}
    assert rewards(record, "guesser") == [None, 1.0]
    assert "whole number" in replies.requests[1].messages[-1].text
    record = play(HiddenNumber(), {"guesser": ["fifty", "-1"]}, task=TASK)
    assert (record.ending, record.forfeit, rewards(record, "guesser")) == (Ending.FOUL, "guesser", [None, 0.0])


@pytest.mark.parametrize("said", ["", "maybe", "higher lower", "The number is 62.", "h" * 10**6])
def test_a_keeper_that_answers_something_else_forfeits(play: Playing, said: str) -> None:
    record = play(HiddenNumber(), {"guesser": ["50"], "keeper": [said]}, task=TASK)
    assert (record.ending, record.forfeit, rewards(record, "keeper")) == (Ending.FOUL, "keeper", [-1.0])


def test_halving_passes_the_whole_exam(play: Playing) -> None:
    game = HiddenNumber()
    exam = game.exam()
    (tasks,) = exam.levels.values()
    assert len(tasks) == 25
    bots = {"keeper": exam.opponents["keeper"], "guesser": "binary_search"}
    for task in tasks:
        assert play(game, bots=bots, task=task).result == {"keeper": 0.0, "guesser": 1.0}


@pytest.mark.parametrize("keeper", HiddenNumber.bots)
@pytest.mark.parametrize("guesser", HiddenNumber.bots)
def test_all_bots_get_along(play: Playing, keeper: str, guesser: str) -> None:
    wins = 0.0
    for seed in range(30):
        record = play(HiddenNumber(), bots={"keeper": keeper, "guesser": guesser}, seed=seed)
        assert record.ending is Ending.OK, record.error
        wins += (record.result or {})["guesser"]
    assert (wins == 30.0) == (keeper == "random" or guesser == "binary_search")


def test_training_never_hides_an_exam_number(play: Playing) -> None:
    game = HiddenNumber(guesses=1)
    for seed in range(100):
        record = play(game, bots={"keeper": "truthful", "guesser": "random"}, seed=seed)
        (secret,) = [fact.data["text"] for fact in record.facts if fact.kind == "secret"]
        assert not held_out(int(secret.removeprefix("The number is ").removesuffix(".")))


def test_demonstrations_show_what_players_will_see(play: Playing) -> None:
    game = HiddenNumber()
    demos = list(islice(game.demos(random.Random(5)), 300))
    assert {demo.role for demo in demos} == {"keeper", "guesser"}
    # Play the first demonstrated match again, and compare every conversation with what the engine makes of it.
    end = next(i for i, demo in enumerate(demos) if demo.reply == "correct") + 1
    hidden = int(demos[1].messages[1].text.split(".")[0].removeprefix("The number is "))
    replies = Replies({role: [d.reply for d in demos[:end] if d.role == role] for role in game.roles})
    play(game, replies, task={"hidden": hidden})
    for request, demo in zip(replies.requests, demos[:end], strict=True):
        assert (request.role, tuple(request.conversation())) == (demo.role, demo.messages)


def test_settings_have_bounds() -> None:
    for wrong in ({"guesses": 0}, {"highest": 3}):
        (name,) = wrong
        with pytest.raises(UsageError, match=rf"hidden_number\.{name}"):
            HiddenNumber(**wrong)
