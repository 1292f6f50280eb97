"""TextArena's games through the door: what seats see, invalid moves, chance that is nobody else's, replay, errors."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable

import pytest

pytest.importorskip("textarena")

import numpy as np

import selfplay
from selfplay import check_game
from selfplay.arena import Arena
from selfplay.cli import run as run_command
from selfplay.errors import UnknownName, UsageError
from selfplay.games import find_game, make_game
from selfplay.policies.bots import Replies, ScriptedPolicy
from selfplay.record.codec import dumps, loads
from selfplay.replay import difference, replay
from selfplay.types import Ending, MatchRecord, Pairing, Player

Playing = Callable[..., MatchRecord]

SHAPES = (
    "TicTacToe-v0",
    "KuhnPoker-v0",
    "Mastermind-v0",
    "GuessTheNumber-v0",
    "IteratedRockPaperScissors-v0",
    "ThreePlayerIPD-v0",
    "LiarsDice-v0(players=4)",
)
"""Open board, hidden cards, alone with much or little to say, same time, three players, as many as one likes."""


def prompts(record: MatchRecord, seat: str) -> list[str]:
    return [move.messages[-1].text for move in record.moves if move.seat == seat]


@pytest.mark.parametrize("name", SHAPES)
def test_games_of_every_shape_keep_the_rules(name: str) -> None:
    report = check_game(make_game(f"textarena:{name}"), 4)
    assert report.ok, report.findings
    assert report.moves > 5


@pytest.mark.parametrize("name", SHAPES)
def test_a_match_is_replayed_from_its_record_alone(play: Playing, name: str) -> None:
    game = make_game(f"textarena:{name}")
    record = play(game, seed=2)
    assert record.ending is not Ending.ERROR, record.error
    kept = loads(dumps(record))
    assert difference(kept, replay(kept, game)) is None


def test_tic_tac_toe_to_a_win(play: Playing) -> None:
    game = make_game("textarena:TicTacToe-v0")
    replies = Replies({"player#1": ["[0]", "[1]", "I think it is time.<answer>[2]</answer>"], "player#2": ["[4]", "5"]})
    record = play(game, replies)
    assert record.ending is Ending.OK and record.result == {"player#1": 1.0, "player#2": -1.0}
    assert game.zero_sum and [move.reward for move in record.moves] == [1.0, -1.0, 1.0, -1.0, 1.0]
    assert [fact.data["text"] for fact in record.facts if fact.kind == "show"] == ["Player 0 has won!"]
    assert "You are Player 1 in Tic Tac Toe" in prompts(record, "player#2")[0]
    assert "You are Player" not in prompts(record, "player#2")[1], "nothing is told twice"


def test_a_seat_sees_what_is_meant_for_it_and_no_more(play: Playing) -> None:
    game = make_game("textarena:KuhnPoker-v0")
    for seed in range(4):
        record = play(game, seed=seed)
        first = {seat: prompts(record, seat)[0] for seat in game.seats()}
        cards = {seat: text.split("Your card is: '")[1][0] for seat, text in first.items()}
        assert set(cards.values()) < set("JQK") and len(set(cards.values())) == 2
        for seat, text in first.items():
            assert text.count("### Starting round 1") <= 2 and f"Your card is: '{cards[seat]}'" in text
            others = set("JQK") - {cards[seat]}
            assert not any(f"Your card is: '{card}'" in text for card in others)


def test_thoughts_outside_the_answer_are_not_passed_on(play: Playing) -> None:
    said = "They hold the jack.<answer>[cooperate] let us be friends</answer>"
    game = make_game("textarena:IteratedPrisonersDilemma-v0")
    bot = ScriptedPolicy("random", game)

    class Talker(Replies):
        def complete(self, requests):  # type: ignore[no-untyped-def]
            return [
                super(Talker, self).complete([r])[0] if r.seat == "player#1" else bot.complete([r])[0] for r in requests
            ]

    record = play(game, Talker({"player#1": [said] * 40}))
    heard = "\n".join(prompts(record, "player#2"))
    assert "let us be friends" in heard and "jack" not in heard


def test_an_invalid_move_may_be_tried_again_once_and_then_loses(play: Playing) -> None:
    game = make_game("textarena:TicTacToe-v0")
    replies = Replies({"player#1": ["[4]"], "player#2": ["[4]", "[9]"]})
    record = play(game, replies)
    assert (record.ending, record.forfeit) == (Ending.FOUL, "player#2")
    assert record.result == {"player#1": 1.0, "player#2": -1.0}
    assert [move.foul for move in record.moves] == [None, "cell 4 is already occupied.", "9. Must be between 0 and 8."]
    assert [move.reward for move in record.moves] == [None, None, -1.0]
    assert "already occupied" in replies.requests[2].messages[-1].text, "the player is told why"


def test_a_game_for_many_ends_with_the_first_who_fouls_out(play: Playing) -> None:
    record = play(make_game("textarena:LiarsDice-v0(players=4)"), Replies({"player": ["pass"] * 9}))
    assert record.ending is Ending.FOUL and len(record.moves) == 2
    assert record.result == {"player#1": -1.0, "player#2": 0.0, "player#3": 0.0, "player#4": 0.0}


def test_a_reply_of_endless_digits_is_a_foul_and_no_crash(play: Playing) -> None:
    record = play(make_game("textarena:GuessTheNumber-v0"), Replies({"player": ["[" + "9" * 4998 + "]"]}))
    assert (record.ending, record.error, record.moves[0].reward) == (Ending.FOUL, None, -1.0)


def test_the_global_generators_are_as_they_were_and_have_no_say(play: Playing) -> None:
    game = make_game("textarena:Mastermind-v0")
    replies = ["[1 2 3 4]", "[5 6 1 2]"] + ["no"] * 2
    first = play(game, Replies({"player": list(replies)}), seed=7)
    random.seed(123)
    np.random.seed(123)
    before = random.getstate(), np.random.get_state()[1].tolist()
    again = play(game, Replies({"player": list(replies)}), seed=7)
    assert before == (random.getstate(), np.random.get_state()[1].tolist())
    assert difference(first, again) is None
    codes = {prompts(play(game, Replies({"player": list(replies)}), seed=seed), "player")[1] for seed in range(12)}
    assert len(codes) > 3, "the seed decides the code"


def test_matches_played_side_by_side_are_those_played_alone() -> None:
    game = make_game("textarena:KuhnPoker-v0")
    seats = dict.fromkeys(game.seats(), "r")

    def played(seeds: range) -> list[MatchRecord]:
        pairings = [Pairing(game.name(), seats, {}, seed=seed, sampling_seed=seed) for seed in seeds]
        with Arena({game.name(): game}, {"r": Player("r", ScriptedPolicy("random", game))}) as arena:
            return sorted(arena.play(pairings), key=lambda record: record.pairing.seed)

    together, alone = played(range(6)), [record for seed in range(6) for record in played(range(seed, seed + 1))]
    assert [difference(*pair) for pair in zip(together, alone, strict=True)] == [None] * 6


def test_another_process_with_other_hashes_plays_the_same_match() -> None:
    names = [f"textarena:{name}-v0" for name in ("TicTacToe", "KuhnPoker", "Mastermind", "Minesweeper", "LiarsDice")]
    code = (
        "import sys, selfplay; from selfplay.record.codec import dumps\n"
        "for name in sys.argv[1:]: print(dumps(selfplay.play(name, seed=5)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": str(hash("another") % 1000 + 1)}
    elsewhere = subprocess.run(
        [sys.executable, "-c", code, *names], env=environment, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.splitlines() == [dumps(selfplay.play(name, seed=5)) for name in names]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("TicTacTo-v0", UnknownName, "did you mean 'TicTacToe-v0'?"),
        ("TicTacToe-v0(seats=3)", UnknownName, "textarena:NAME(players=4)"),
        ("TicTacToe-v0(players=3)", UsageError, "The number of players has to be 2, received 3"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_reason(name: str, error: type[UsageError], words: str) -> None:
    with pytest.raises(error) as raised:
        find_game(f"textarena:{name}")
    assert words in str(raised.value)


def test_without_the_package_the_message_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textarena", None)
    with pytest.raises(UsageError, match=r"pip install 'selfplay\[textarena\]'"):
        find_game("textarena:Nim-v0")


def test_the_command_line_takes_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["games", "show", "textarena:TicTacToe-v0"]) == 0
    assert "player#1 player#2" in capsys.readouterr().out
    assert run_command(["play", "textarena:TicTacToe-v0", "--seat", "player#2=random", "--seed", "1"]) == 0
    assert "result: player#1" in capsys.readouterr().out
    assert run_command(["play", "textarena:LogicPuzzle-v0", "--json"]) == 0
    assert capsys.readouterr().out.startswith("{"), "what their code prints does not get between"
