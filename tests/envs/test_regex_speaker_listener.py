"""Regex speaker and listener: who says what, what is chosen, who is paid, what is learned from."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from selfplay.check import check_game
from selfplay.envs.regex_language import Regex
from selfplay.envs.regex_speaker_listener import NEXT, RegexSpeakerListener, Utterance, heard
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.policies.bots import Replies, ScriptedPolicy
from selfplay.run.evaluate import evaluate
from selfplay.types import Ending, MatchRecord, Player

Playing = Callable[..., MatchRecord]

TASK = {"regex": "0*1"}


def noted(record: MatchRecord) -> dict[str, Any]:
    return {key: value for fact in record.facts if fact.kind == "note" for key, value in fact.data.items()}


def examples(record: MatchRecord) -> list[tuple[str, str]]:
    return [(fact.data["prompt"], fact.data["text"]) for fact in record.facts if fact.kind == "example"]


def one_turn(play: Playing, said: list[str], believed: list[str], then: list[str], **settings: Any) -> MatchRecord:
    game = RegexSpeakerListener(turns=1, utterances=len(said), programs=len(believed), **settings)
    replies = {"speaker": said, "listener#1": believed, "listener#2": then}
    record = play(game, replies, task=TASK)
    assert record.ending is Ending.OK, record.error
    return record


def test_the_most_informative_true_example_is_said(play: Playing) -> None:
    said = ["+01", "+1", "-0", "+10", "so: 001"]  # the fourth is not true, the fifth nothing
    record = one_turn(play, said, [".*1", "0+1", ".*1", "1", "???"], ["0*1", "(0)*1", ".*1", "1", "x"])
    speaker = [move for move in record.moves if move.role == "speaker"]
    # 01: also .*1, 0+1 (and not 1); 1: also .*1, 1; 0 (does not match): all three
    assert [move.reward for move in speaker] == [1 / 3, 1 / 3, 1 / 4, 0.0, 0.0]
    assert [move.keep for move in speaker] == [True, False, False, False, False]
    assert [move.foul for move in speaker][3] == "this is not true"
    last = [move for move in record.moves if move.seat == "listener#2"]
    assert last[0].messages[-1].text == "+01"
    assert [move.reward for move in last] == [1.0, 1.0, 0.0, 0.0, 0.0], "what means the same is right"
    assert examples(record) == [("+01", "0*1")]
    assert record.result == dict.fromkeys(RegexSpeakerListener.seats(), 0.4)
    facts = noted(record)
    assert (facts["true"], facts["recovered_1"], facts["consistent"]) == (0.6, 0.4, 0.6)


def test_what_the_listener_believes_decides_what_is_said(play: Playing) -> None:
    for believed, chosen in ((["0+1"], "+1"), (["1"], "+01")):
        record = one_turn(play, ["+01", "+1"], believed, ["0*1"])
        assert [move.text for move in record.moves if move.keep] == [chosen]


def test_the_controls(play: Playing) -> None:
    literal = one_turn(play, ["+10", "-0", "+1"], ["0+1"] * 3, ["1"] * 3, chooser="literal")
    assert [move.text for move in literal.moves if move.keep] == ["-0"], "the first true one"
    game = RegexSpeakerListener(turns=2, programs=1, chooser="random")
    drawn = play(game, {"listener": ["0*1", "0"]}, task=TASK)
    assert {move.seat for move in drawn.moves} == {"listener#2", "listener#3"}
    regex = Regex.parse("0*1")
    for prompt, text in examples(drawn):
        assert text == "0*1" and all(Utterance.parse(said).fits(regex) for said in prompt.split())


def test_examples_follow_each_other_and_each_listener_hears_one_more(play: Playing) -> None:
    game = RegexSpeakerListener(turns=2, utterances=2, programs=1)
    replies = Replies({"speaker": ["+01", "x", "+01", "-10"], "listener": ["1", "0+1", "0*1"]})
    record = play(game, replies, task=TASK)
    assert record.ending is Ending.OK
    asked = [(request.seat, request.messages[-1].text) for request in replies.requests]
    assert asked == [("listener#1", "?"), ("speaker", "0*1"), ("listener#2", "+01"), ("speaker", NEXT),
                     ("listener#3", "+01 -10")]  # fmt: skip
    speaker = [move for move in record.moves if move.role == "speaker"]
    assert speaker[2].foul == "this was said before" and speaker[3].parent is speaker[0]
    assert [move.learn for move in record.moves if move.role == "listener"] == [False, True, True]


def test_a_speaker_without_anything_true_ends_the_match(play: Playing) -> None:
    record = one_turn(play, ["+10", "?"], ["0", "1"], [])
    assert not examples(record) and {move.reward for move in record.moves} <= {0.0}
    assert record.result is not None and set(record.result.values()) == {0.0}


def test_the_informative_pair_understands_each_other_better_than_the_random_one(play: Playing) -> None:
    game = RegexSpeakerListener(utterances=1, programs=1)
    rates = {}
    for speaker in ("informative", "random"):
        bots = dict.fromkeys(game.seats(), "informative") | {"speaker": speaker}
        records = [play(game, bots=bots, seed=seed) for seed in range(40)]
        assert all(record.ending is Ending.OK for record in records)
        rates[speaker] = sum((record.result or {})["speaker"] for record in records) / 40
    assert rates["informative"] > rates["random"] + 0.2
    assert rates["informative"] > 0.3


def test_the_exam_counts_examples(play: Playing) -> None:
    game = RegexSpeakerListener(exam_size=30)
    exam = game.exam()
    assert list(exam.levels) == ["1 example", "2 examples", "3 examples", "4 examples"]
    for tasks in exam.levels.values():
        asked = [Regex.from_task(task) for task in tasks]
        assert len(set(asked)) == len(asked) == 30 and all(regex.held_out for regex in asked)
    found = evaluate(Player("bot", ScriptedPolicy("informative", game)), game, tasks=25)
    assert not found.errors and found.rates["1 example"] < found.rates["4 examples"]
    blind = evaluate(Player("bot", ScriptedPolicy("random", game)), game, tasks=25)
    assert blind.mean < 0.1


def test_demonstrations_are_true_and_look_like_play(play: Playing) -> None:
    game = RegexSpeakerListener()
    labels = set()
    for demo in islice(game.demos(random.Random(0)), 200):
        value = game.roles[demo.role].parse(demo.reply)
        texts = [message.text for message in demo.messages]
        if demo.role == "listener":
            told = [Utterance.parse(text) for text in texts[-1].split() if text != "?"]
            assert all(example.fits(value) for example in told) and not value.held_out
            assert texts[-1] == heard(told)
        else:
            assert value.fits(Regex.parse(texts[1]))
            assert texts[3::2] == [NEXT] * len(texts[3::2])
            labels.add(value.matches)
    assert labels == {True, False}


def test_it_keeps_the_rules_of_games() -> None:
    report = check_game(RegexSpeakerListener(exam_size=2, turns=2, utterances=3, programs=3), seeds=8)
    assert report.ok, report.findings


@pytest.mark.parametrize("text", ["", "01", "+", "+c", "+000000000", "+0 1", "-0*", "+_0", "\u2212a"])
def test_what_is_no_example_is_a_foul(text: str) -> None:
    with pytest.raises(Foul):
        Utterance.parse(text)
    assert Utterance.parse(" -_ ") == ("", False) and Utterance("", False).text() == "-_"


def test_wrong_settings_are_refused() -> None:
    for name, value in {"turns": 6, "utterances": 0, "programs": 0, "chooser": "best"}.items():
        with pytest.raises(UsageError, match=name):
            RegexSpeakerListener(**{name: value})
