"""Tic-tac-toe: X and O take squares in turn; three in a row win.

    X: 5 9
    O: 1    ->    3            1 2 3
                               4 5 6
                               7 8 9

Players are told who has which squares, and reply with the number of a free one. Anything else is a foul and loses, but
teaches the opponent nothing: that is no skill of theirs. Perfect play draws, as `perfect` does: it never loses, takes a
win that is there, and picks by chance among moves that are equally good.

There are no held-out positions: every game starts from the empty board, so training may reach any of them. What is
fixed in the exam is the opponent. It asks X not to lose against perfect play from positions in which that can be done,
with more and more squares left. Against itself alone a player may get worse while its mean reward stays 0. Self-play of
one model in both roles, each with a baseline of its own, is that of SPIRAL (arXiv 2506.24119).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

from selfplay.errors import UsageError
from selfplay.game import Demo, Exam, Game, Role, penalty
from selfplay.match import Match
from selfplay.roles.formats import integer
from selfplay.seeds import rng as seeded
from selfplay.types import Json, Request

EMPTY = "123456789"
"""A board is a string of nine: marks, and the digits of the free squares."""
LINES = ("012", "345", "678", "036", "147", "258", "048", "246")
RULES = "Tic-tac-toe with the rows 123, 456 and 789. You are {}. Answer with the number of a free square."
EXAM_SIZE = 50


def text(board: str) -> str:
    """The board as players see it."""
    x, o = (" ".join(square for square, of in zip(EMPTY, board, strict=True) if of == mark) for mark in "XO")
    return f"X: {x}\nO: {o}"


def board_in(prompt: str) -> str:
    """The board in a prompt."""
    x, o = prompt.split("\n")
    return "".join("X" if square in x else "O" if square in o else square for square in EMPTY)


def drawn(board: str) -> str:
    """The board as viewers see it."""
    return "\n".join(" ".join(board[i : i + 3]) for i in (0, 3, 6))


def free(board: str) -> list[int]:
    """Numbers of the free squares."""
    return [int(square) for square in board if square.isdigit()]


def to_move(board: str) -> str:
    """Whose turn it is: ``X`` or ``O``."""
    return "X" if len(free(board)) % 2 else "O"


def play_at(board: str, square: int) -> str:
    """The board after the next mark is put on `square`."""
    return board.replace(str(square), to_move(board))


def winner(board: str) -> str | None:
    """``X``, ``O`` or `None`."""
    rows = ({board[int(i)] for i in line} for line in LINES)
    return next((row.pop() for row in rows if len(row) == 1), None)


@cache
def worth(board: str) -> int:
    """What perfect play makes of a board, for X: 1, 0 or -1."""
    if won := winner(board):
        return 1 if won == "X" else -1
    values = [worth(play_at(board, square)) for square in free(board)]
    return (max(values) if to_move(board) == "X" else min(values)) if values else 0


def best_moves(board: str) -> list[int]:
    """The squares that perfect play may take; those that win at once where there are any."""
    wins = [square for square in free(board) if winner(play_at(board, square))]
    return wins or [square for square in free(board) if worth(play_at(board, square)) == worth(board)]


def random_bot(request: Request, rng: random.Random) -> str:
    """Any free square."""
    return str(rng.choice(free(board_in(request.messages[-1].text))))


def perfect_bot(request: Request, rng: random.Random) -> str:
    """Never loses."""
    return str(rng.choice(best_moves(board_in(request.messages[-1].text))))


def random_board(rng: random.Random, marks: int) -> str:
    """A board that random players may reach with so many marks, nobody having won."""
    while True:
        board = EMPTY
        while len(free(board)) > 9 - marks and not winner(board):
            board = play_at(board, rng.choice(free(board)))
        if not winner(board):
            return board


@cache
def exam_boards(marks: int) -> tuple[str, ...]:
    """Different boards on which X, to move, need not lose; the same ones always."""
    rng = seeded(0, "tic_tac_toe exam", marks)
    boards = (random_board(rng, marks) for _ in range(20 * EXAM_SIZE))
    return tuple(dict.fromkeys(board for board in boards if worth(board) >= 0))[:EXAM_SIZE]


class TicTacToe(Game):
    """Three in a row."""

    id = "tic_tac_toe"
    zero_sum = True
    bots = {"random": random_bot, "perfect": perfect_bot}

    x = Role(RULES.format("X"), parse=integer(1, 9), foul=penalty(-1))
    o = Role(RULES.format("O"), parse=integer(1, 9), foul=penalty(-1))

    survival: bool = False
    """The result only says whether x has not lost (1) or has (0): what the exam asks."""

    async def play(self, match: Match) -> None:
        board = EMPTY if match.task is None else board_of(match.task)
        while not winner(board) and free(board):
            turn = to_move(board)
            move = await match.ask(self.x if turn == "X" else self.o, text(board))
            if move.value not in free(board):
                for any_move in match.moves:
                    any_move.mask("the match was ended by a foul")
                move.why_masked = None
                move.penalise(f"square {move.value} is taken", -1.0)
                self.decide(match, "O" if turn == "X" else "X")
                return
            board = play_at(board, move.value)
        match.show(drawn(board))
        self.decide(match, winner(board))

    def decide(self, match: Match, won: str | None) -> None:
        """Reward all moves that are not masked, and state the result."""
        score = {"X": 1.0, "O": -1.0, None: 0.0}[won]
        match.pay(self.x, score)
        match.pay(self.o, -score)
        stated = float(score >= 0) if self.survival else score
        match.result(x=stated, o=-stated)

    def exam(self) -> Exam:
        levels = {f"{9 - marks} squares left": exam_boards(marks) for marks in (6, 4, 2)}
        return Exam("x", levels, settings={"survival": True}, opponents={"o": "perfect"})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        """Random legal moves: the rules, and nothing of how to play well. Half of them begin late in a match."""
        while True:
            board = random_board(rng, rng.choice((0, rng.randrange(1, 9))))
            told: dict[Role, list[tuple[str, str]]] = {self.x: [], self.o: []}
            while not winner(board) and free(board):
                role = self.x if to_move(board) == "X" else self.o
                square = rng.choice(free(board))
                yield role.demo(text(board), str(square), told[role])
                told[role].append((text(board), str(square)))
                board = play_at(board, square)


def board_of(task: Json) -> str:
    """The board that a task names.

    Raises:
        UsageError: it is none.
    """
    marks = [mark for mark in task if mark in "XO"] if isinstance(task, str) and len(task) == 9 else None
    legal = marks is not None and all(mark in (number, "X", "O") for mark, number in zip(task, EMPTY, strict=True))
    if not legal or marks is None or marks.count("X") - marks.count("O") not in (0, 1):
        raise UsageError(f'the task {task!r} is no tic-tac-toe board; one is "1X34O6789": marks, and digits where free')
    return str(task)
