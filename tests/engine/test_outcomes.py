"""Rewards, results and what else a game states: nothing of it may change after it was said."""

from __future__ import annotations

import numpy as np
import pytest

from selfplay.game import Game, Role


class Duel(Game):
    white = Role("You are white.")
    black = Role("You are black.")


def played(play, body, asks: int = 0, **more):
    """The record of a match that asks both seats `asks` times in turn and then runs `body(match, game)`."""

    class Played(Duel):
        async def play(self, match):
            for i in range(asks):
                await match.ask((self.white, self.black)[i % 2], f"move {i}")
            body(match, self)

    return play(Played(), lambda request: "ok", **more)


def facts(record, kind: str):
    assert record.error is None
    return [fact.data for fact in record.facts if fact.kind == kind]


def test_pay_rewards_all_moves_of_a_seat_the_last_one_most(play) -> None:
    def body(match, game):
        match.pay(game.white, 1.0, discount=0.5)
        match.pay("black", -1)

    record = played(play, body, asks=5)
    assert [move.reward for move in record.moves] == [0.25, -1.0, 0.5, -1.0, 1.0]


def test_pay_of_a_seat_that_is_not_there(play) -> None:
    assert "unknown seat 'wite' - did you mean 'white'?" in played(play, lambda m, g: m.pay("wite", 1.0)).error


@pytest.mark.parametrize(
    ("state", "result"),
    [
        (lambda match: match.result(white=0.5), {"white": 0.5, "black": 0.0}),
        (lambda match: match.result({"black": 1}), {"white": 0.0, "black": 1.0}),
        (lambda match: match.win("black"), {"white": -1.0, "black": 1.0}),
        (lambda match: match.draw(), {"white": 0.0, "black": 0.0}),
        (lambda match: None, None),
    ],
)
def test_results_touch_no_reward(play, state, result) -> None:
    record = played(play, lambda match, game: state(match), asks=2)
    assert record.result == result
    assert [move.reward for move in record.moves] == [None, None]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (lambda match: match.result(withe=1.0), "unknown seat 'withe' - did you mean 'white'?"),
        (lambda match: match.result(white=float("nan")), "result of white is nan; a finite number"),
        (lambda match: match.win("nobody"), "unknown seat 'nobody'"),
    ],
)
def test_results_that_make_no_sense(play, state, words: str) -> None:
    assert words in played(play, lambda match, game: state(match)).error


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
def test_a_reward_that_is_no_number_is_an_error_of_the_match(play, reward) -> None:
    def body(match, game):
        match.moves[0].reward = reward

    error = played(play, body, asks=1).error
    assert "reward of move 0 is" in error and "a finite number or None was expected (test_outcomes.py:" in error


def test_rewards_are_floats_and_none_masks(play) -> None:
    def body(match, game):
        first, second, third = match.moves
        first.reward, second.reward, third.reward = True, np.float64(0.5), 1.0
        third.reward = None

    record = played(play, body, asks=3)
    assert [move.reward for move in record.moves] == [1.0, 0.5, None]
    assert all(type(move.reward) is float for move in record.moves[:2])


def test_a_masked_move_stays_masked(play) -> None:
    def body(match, game):
        match.moves[0].mask("the deal was void")
        match.moves[0].reward = 1.0

    move = played(play, body, asks=1).moves[0]
    assert (move.reward, move.why_masked) == (None, "the deal was void")


def test_keep_prefer_and_example(play) -> None:
    class Teaching(Duel):
        async def play(self, match):
            one, two = await match.ask(self.white, "prove it", n=2)
            one.keep = True
            match.prefer(one, two, weight=2)
            better = match.example(self.white, "prove it", "QED", weight=0.5)
            match.prefer(better, two)

    record = play(Teaching(), lambda request: "ok")
    assert [move.keep for move in record.moves] == [True, False]
    example = {"role": "white", "prompt": "prove it", "text": "QED"}
    assert facts(record, "example") == [{**example, "weight": 0.5}]
    assert facts(record, "prefer") == [
        {"better": {"move": "0.0"}, "worse": {"move": "0.1"}, "weight": 2},
        {"better": example, "worse": {"move": "0.1"}, "weight": 1.0},
    ]


def test_prefer_compares_replies_to_one_prompt_only(play) -> None:
    error = played(play, lambda match, game: match.prefer(match.moves[0], match.moves[1]), asks=2).error
    assert "replies to one prompt" in error


def test_publish_remember_show_and_note(play) -> None:
    def body(match, game):
        match.publish("pool", "k1", {"numbers": (1, 2)}, solved=3, of=8)
        match.remember(game.black, "white opens with e4")
        match.show("board")
        match.note(kind="gambit", turn=3)

    record = played(play, body)
    assert facts(record, "publish") == [
        {"source": "pool", "key": "k1", "item": {"numbers": [1, 2]}, "solved": 3, "of": 8}
    ]
    assert facts(record, "remember") == [{"seat": "black", "player": "p", "text": "white opens with e4"}]
    assert facts(record, "show") == [{"text": "board"}]
    assert facts(record, "note") == [{"kind": "gambit", "turn": 3}]
    assert [fact.path for fact in record.facts] == [(0,)] * 4


def test_notes_change_nothing_else(play) -> None:
    class Noting(Duel):
        verbose: bool = False

        async def play(self, match):
            async def branch():
                if self.verbose:
                    match.note(here="too")
                await match.ask(self.white, f"dice {match.rng.random()}")

            if self.verbose:
                match.show("board")
                match.secret(self.white, "ace")
            await match.gather(branch(), branch())

    quiet, loud = (play(Noting(verbose=verbose), lambda r: str(r.seeds)) for verbose in (False, True))
    assert len(loud.facts) == 4 and quiet.facts == []
    assert [(m.id, m.messages, m.text) for m in quiet.moves] == [(m.id, m.messages, m.text) for m in loud.moves]


def test_a_fact_is_what_it_was_when_it_was_noted(play) -> None:
    def body(match, game):
        board = [" "] * 3
        for i in range(3):
            board[i] = "x"
            match.note(board=board)

    assert facts(played(play, body), "note")[0] == {"board": ["x", " ", " "]}


@pytest.mark.parametrize("value", [object(), {1: 2}, float("nan"), {3}, b"bytes", [1, (2, np.int64(3))]])
def test_facts_that_json_cannot_hold(play, value) -> None:
    error = played(play, lambda match, game: match.note(value=value)).error
    assert "match.note holds" in error and "plain JSON values were expected" in error


def test_the_task_is_a_copy_and_plain(play) -> None:
    def body(match, game):
        match.note(task=match.task)
        match.task["numbers"].append(3)
        assert match.task["numbers"] == [1, 2, 3]

    task = {"numbers": (1, 2)}
    record = played(play, body, task=task)
    assert facts(record, "note") == [{"task": {"numbers": [1, 2]}}]
    assert record.pairing.task.data == {"numbers": (1, 2)}


def test_settings_are_recorded_as_they_were_before_play_touched_them(play) -> None:
    class Counting(Duel):
        rounds: int = 2
        sizes: tuple[int, ...] = (3, 4)

        async def play(self, match):
            self.rounds += 1
            match.note(rounds=self.rounds)

    game = Counting(rounds=5)
    for _ in range(2):
        record = play(game, {})
        assert record.config == {"rounds": 5, "sizes": [3, 4]}
        assert facts(record, "note") == [{"rounds": 6}]
