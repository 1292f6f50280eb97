"""Tic-tac-toe: the rules, fouls, perfect play, the exam."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from selfplay.check import check_game
from selfplay.envs.tic_tac_toe import (
    EMPTY,
    TicTacToe,
    best_moves,
    board_in,
    exam_boards,
    free,
    play_at,
    text,
    to_move,
    winner,
    worth,
)  # fmt: skip
from selfplay.policies.bots import Replies
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]


def rewards(record: MatchRecord, role: str) -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


def test_it_keeps_the_rules_of_games() -> None:
    assert not check_game(TicTacToe()).findings


def test_three_in_a_row_win(play: Playing) -> None:
    record = play(TicTacToe(), {"x": ["1", "2", "3"], "o": ["4", "5"]})
    assert record.result == {"x": 1.0, "o": -1.0}
    assert (rewards(record, "x"), rewards(record, "o")) == ([1.0] * 3, [-1.0] * 2)
    record = play(TicTacToe(), {"x": ["1", "2", "9"], "o": ["4", "5", "6"]})
    assert record.result == {"x": -1.0, "o": 1.0}


def test_a_full_board_is_a_draw(play: Playing) -> None:
    moves = {"x": ["5", "9", "2", "4", "7"], "o": ["1", "3", "8", "6"]}
    record = play(TicTacToe(), moves)
    assert record.result == {"x": 0.0, "o": 0.0} and set(rewards(record, "x")) == {0.0}
    assert play(TicTacToe(survival=True), moves).result == {"x": 1.0, "o": -1.0}


def test_players_see_the_board(play: Playing) -> None:
    replies = Replies({"x": ["5", "?"], "o": ["1"]})
    play(TicTacToe(), replies)
    assert [request.messages[-1].text for request in replies.requests] == [
        "X: \nO: ", "X: 5\nO: ", "X: 5\nO: 1",
    ]  # fmt: skip


@pytest.mark.parametrize("survival", [False, True])
def test_a_taken_square_loses_and_teaches_the_other_nothing(play: Playing, survival: bool) -> None:
    record = play(TicTacToe(survival=survival), {"x": ["5"], "o": ["5"]})
    assert record.ending is Ending.OK and record.moves[-1].foul == "square 5 is taken"
    assert (rewards(record, "x"), rewards(record, "o")) == ([None], [-1.0])
    assert record.result == {"x": 1.0, "o": -1.0}
    record = play(TicTacToe(survival=survival), {"x": ["5", "1"], "o": ["1"]})
    assert (rewards(record, "x"), rewards(record, "o")) == ([None, -1.0], [None])
    assert record.result == ({"x": 0.0, "o": 0.0} if survival else {"x": -1.0, "o": 1.0})


@pytest.mark.parametrize("reply", ["", "0", "10", "5 6", "X", "the middle", "5" * 10**6])
def test_what_is_no_square_ends_the_match(play: Playing, reply: str) -> None:
    record = play(TicTacToe(), {"x": [reply]})
    assert (record.ending, record.forfeit, rewards(record, "x")) == (Ending.FOUL, "x", [-1.0])


def reachable(board: str = EMPTY) -> set[str]:
    """All boards that can follow, this one included."""
    found = {board}
    frontier = [board]
    while frontier:
        board = frontier.pop()
        if winner(board) is None:
            new = {play_at(board, square) for square in free(board)} - found
            found |= new
            frontier += new
    return found


def test_all_of_the_game_is_known() -> None:
    boards = reachable()
    assert len(boards) == 5478  # a known number
    assert worth(EMPTY) == 0
    assert all(board_in(text(board)) == board for board in boards)


def test_perfect_moves_keep_what_a_position_is_worth() -> None:
    for board in reachable():
        if winner(board) is None and free(board):
            assert all(worth(play_at(board, square)) == worth(board) for square in best_moves(board))
    assert best_moves("XX3OO6789") == [3] and best_moves("X23O5O7X9") == [5]


@pytest.mark.parametrize("seed", range(20))
def test_the_perfect_bot_never_loses(play: Playing, seed: int) -> None:
    for bots in ({"x": "perfect", "o": "random"}, {"x": "random", "o": "perfect"}):
        result = play(TicTacToe(), bots=bots, seed=seed).result or {}
        assert all(result[role] >= 0 for role, name in bots.items() if name == "perfect")


def test_the_exam_can_be_passed_and_is_always_the_same(play: Playing) -> None:
    game = TicTacToe()
    exam = game.exam()
    examined = TicTacToe(**exam.settings)
    for (level, boards), marks in zip(exam.levels.items(), (6, 4, 2), strict=True):
        assert level == f"{9 - marks} squares left" and len(set(boards)) == len(boards) >= 40
        assert all(len(free(board)) == 9 - marks and to_move(board) == "X" for board in boards)
        for seed, board in enumerate(boards):
            record = play(examined, bots={"x": "perfect", **exam.opponents}, task=board, seed=seed)
            assert (record.result or {})["x"] == 1.0
    assert exam_boards(2)[0] == "12O4X6789"  # the same on every machine


@pytest.mark.parametrize(
    "task", ["", "123", 5, ["X"] * 9, "X2345678X", "OOO456789", "X1X456789", "92345678X", "X2O4S6789"]
)
def test_a_task_that_is_no_board_is_explained(play: Playing, task: object) -> None:
    record = play(TicTacToe(), task=task)
    assert record.ending is Ending.ERROR and "is no tic-tac-toe board" in (record.error or "")


def test_demonstrations_are_legal_and_in_the_words_of_a_match(play: Playing) -> None:
    game = TicTacToe()
    demos = list(itertools.islice(game.demos(random.Random(1)), 400))
    assert all(int(demo.reply) in free(board_in(demo.messages[-1].text)) for demo in demos)
    # The first demonstrated match, played again.
    boards = [board_in(demo.messages[-1].text) for demo in demos]
    end = next(i + 1 for i, demo in enumerate(demos) if play_at(boards[i], int(demo.reply)) != boards[i + 1])
    replies = Replies({role: [demo.reply for demo in demos[:end] if demo.role == role] for role in ("x", "o")})
    play(game, replies, task=boards[0])
    for request, demo in zip(replies.requests, demos[:end], strict=True):
        assert (request.role, tuple(request.conversation())) == (demo.role, demo.messages)
