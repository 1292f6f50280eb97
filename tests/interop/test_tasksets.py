"""Tasksets as games: rows and a score, a file of rows, and a proposer whose answers nobody has to believe."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from selfplay import check_game
from selfplay.errors import UsageError
from selfplay.game import Demo, Foul
from selfplay.games import find_game, make_game
from selfplay.interop.tasksets import Row, Rows, Taskset, held_out, same
from selfplay.policies.bots import Replies
from selfplay.roles import duties
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]


class Opposites(Taskset):
    """Rows with answers that are compared."""

    pairs = ("hot cold", "big small", "old young", "high low", "wet dry", "hard soft", "open shut", "rich poor")

    def rows(self) -> Rows:
        found = [pair.split() for pair in self.pairs]
        return [{"prompt": f"Opposite of {a}?", "answer": b} for one in found for a, b in (one, one[::-1])]


class Sorting(Taskset):
    """Partial credit, by a score of its own; a setting decides which rows there are."""

    length: int = 4

    def rows(self) -> Rows:
        rng = random.Random(0)
        return [{"prompt": " ".join(rng.choices("abcdef", k=self.length))} for _ in range(40)]

    def score(self, row: Row, answer: str) -> float:
        right = sorted(row["prompt"].split())
        said = answer.split()
        if len(said) != len(right):
            return 0.0
        return sum(a == b for a, b in zip(said, right, strict=True)) / len(right)

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        for row in iter(lambda: rng.choice(self.split()[0]), None):
            yield self.solver.demo(row["prompt"], " ".join(sorted(row["prompt"].split())))


def read_sum(text: str) -> Row:
    """A proposal is ``3+4``; what it makes is worked out here."""
    a, _, b = text.partition("+")
    if not all(part.isascii() and part.isdigit() and len(part) < 3 for part in (a, b)):
        raise Foul("write two numbers and a +")
    return {"prompt": f"{int(a)}+{int(b)}", "answer": str(int(a) + int(b))}


class Sums(Taskset):
    """A proposer writes new rows."""

    proposer = duties.proposer("Write a sum of two numbers below 100.", read_sum)

    def rows(self) -> Rows:
        return [read_sum(f"{a}+{b}") for a in range(8) for b in range(8)]

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        for demo in super().demos(rng):
            example = rng.choice(self.split()[0])["prompt"]
            yield from (demo, self.proposer.demo(f"An example:\n{example}\nYour task:", example))


def a_row(game: Taskset) -> Row:
    return game.split()[0][0]


@pytest.mark.parametrize("game", [Opposites(), Sorting(), Sums()], ids=lambda game: game.name())
def test_tasksets_keep_the_rules(game: Taskset) -> None:
    report = check_game(game, 5)
    assert report.ok, report.findings


def test_answers_are_compared_and_the_result_is_the_mean(play: Playing) -> None:
    game = Opposites(attempts=4)
    row = a_row(game)
    record = play(
        game, {"solver": [row["answer"], f" {row['answer'].upper()}. ", "?", "I say <answer>no</answer>"]}, task=row
    )
    assert [move.reward for move in record.moves] == [1.0, 1.0, 0.0, 0.0] and record.result == {"solver": 0.5}
    (published,) = [fact.data for fact in record.facts if fact.kind == "publish"]
    assert (published["item"], published["solved"], published["of"]) == (row, 2.0, 4)


def test_a_score_of_its_own_gives_partial_credit(play: Playing) -> None:
    record = play(Sorting(attempts=2), {"solver": ["a b d c", "a b"]}, task={"prompt": "d c b a"})
    assert [move.reward for move in record.moves] == [0.5, 0.0]


def test_held_out_rows_are_in_the_exam_and_teach_nothing(play: Playing) -> None:
    game = Sums(attempts=1)
    exam = game.exam()
    assert exam is not None
    (kept,) = exam.levels.values()
    train = game.split()[0]
    assert len(kept) + len(train) == 64 and all(held_out(row["prompt"]) for row in kept)
    assert not any(held_out(row["prompt"]) for row in train)
    record = play(game, {"solver": [kept[0]["answer"]]}, task=kept[0])
    assert record.result == {"solver": 1.0, "proposer": 0.0} and not record.moves[0].learn
    shown = {demo.messages[-1].text for demo in islice(game.demos(random.Random(0)), 3000) if demo.role == "solver"}
    assert shown == {row["prompt"] for row in train}


def test_the_proposer_is_paid_for_tasks_that_are_solved_half_of_the_time(play: Playing) -> None:
    text = next(f"{a}+55" for a in range(10, 20) if not held_out(f"{a}+55"))
    right = read_sum(text)["answer"]
    record = play(Sums(attempts=4), {"proposer": [text], "solver": [right, right, "0", "0"]})
    assert [move.reward for move in record.moves[1:]] == [1.0, 1.0, 0.0, 0.0]
    assert record.moves[0].reward == pytest.approx(4 * 2 * 2 / (4 * 3))
    record = play(Sums(attempts=4), {"proposer": [text], "solver": [right] * 4})
    assert record.moves[0].reward == 0.0


@pytest.mark.parametrize("claim", ["12+13=26", '{"prompt": "1+1", "answer": "3"}', "²+1", "+", ""])
def test_a_proposer_cannot_claim_an_answer(play: Playing, claim: str) -> None:
    record = play(Sums(), {"proposer": [claim]})
    assert (record.ending, record.forfeit, record.moves[0].reward) == (Ending.FOUL, "proposer", 0.0)


def test_a_proposal_of_an_exam_task_is_masked_and_not_answered(play: Playing) -> None:
    text = next(f"{a}+1" for a in range(99) if held_out(f"{a}+1"))
    record = play(Sums(), {"proposer": [text]})
    assert len(record.moves) == 1 and record.moves[0].why_masked == "held out for the exam"


def test_a_score_that_cannot_tell_masks_the_answer(play: Playing) -> None:
    class Broken(Opposites):
        def score(self, row: Row, answer: str) -> float:
            if answer == "crash":
                raise ConnectionError("the judge is away")
            return super().score(row, answer)

    row = a_row(Broken())
    record = play(Broken(attempts=2), {"solver": ["crash", row["answer"]]}, task=row)
    assert [move.reward for move in record.moves] == [None, 1.0] and record.result == {"solver": 1.0}
    assert record.moves[0].why_masked == "no_verdict"
    record = play(Broken(attempts=1), {"solver": ["crash"]}, task=row)
    assert record.result is None, "nothing is known, so no score"


def test_a_file_of_rows_is_a_game(tmp_path: Path, play: Playing) -> None:
    rows = [{"prompt": f"{n} squared?", "answer": [str(n * n), f"{n * n}.0"]} for n in range(30)]
    path = tmp_path / "squares.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    game = make_game(f"taskset:{path}", {"attempts": 2})
    assert isinstance(game, Taskset) and game.rows() == rows
    assert find_game(game.name()) is type(game)
    report = check_game(game, 5)
    assert report.ok, report.findings
    replies = Replies({"solver": ["49.0", "48"]})
    assert play(game, replies, task=rows[7]).result == {"solver": 0.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"prompt": "a", "answer": 1}\n{"prompt": "a"}', ":2: no 'answer' here, only: prompt"),
        ('{"question": "a", "answer": 1}', ":1: no 'prompt' here, only: question, answer"),
        ("[1]", ":1: no 'prompt' here, only: list"),
        ('{"prompt": 3, "answer": 1}', "the prompt is 3; a text was expected"),
        ("{", ":1: not JSON"),
        ("\n", "has no rows to train on"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_before_anything_starts(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError) as raised:
        find_game(f"taskset:{path}")
    assert words in str(raised.value)


def test_a_missing_file_and_a_task_without_prompt_are_clear_errors(play: Playing) -> None:
    with pytest.raises(UsageError, match="cannot read the taskset nowhere"):
        find_game("taskset:nowhere.jsonl")
    record = play(Opposites(), {"solver": []}, task={"question": "x"})
    assert record.ending is Ending.ERROR and record.error is not None and "has no prompt" in record.error


def test_answers_are_the_same_but_for_case_spaces_and_a_full_stop() -> None:
    assert same(" The  Hague.", "the hague") and same("2", 2) and same("b", ["a", "b"])
    assert not same("", "a") and not same("the hague", "thehague") and not same("a b", ["a", "b"])
