"""Open book: who sees the document, where labels come from, what questions of a level earn."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

import pytest

from selfplay.check import check_game
from selfplay.envs.knowledge import Question, world
from selfplay.envs.open_book import KNOWN, OpenBook, known, reading_bot, wish
from selfplay.policies.bots import Replies
from selfplay.types import Completion, Ending, MatchRecord, Request, Sampling

Playing = Callable[..., MatchRecord]
WORLD = world(24, 0)


class Class(Replies):
    """A questioner with written questions; a teacher and students with written answers."""

    def __init__(self, questions: list[str], teacher: list[str], students: list[str]) -> None:
        super().__init__({"questioner": questions})
        self.teacher, self.students = iter(teacher), iter(students)

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        out: list[list[Completion]] = []
        for request in requests:
            if request.role == "questioner":
                out += super().complete([request])
                continue
            self.requests.append(request)
            texts = self.teacher if "(" in request.messages[-1].text else self.students
            out.append([Completion(next(texts)) for _ in request.seeds])
        return out


def about(game: OpenBook, play: Playing, seed: int = 0) -> str:
    """Whom the document of this seed is about."""
    return play(game, {"questioner": ["?"] * 9}, seed=seed).moves[0].messages[-1].text[:3]


def rewards(record: MatchRecord, role: str, tag: str = "") -> list[float | None]:
    return [move.reward for move in record.moves if (move.role, move.tag) == (role, tag)]


def small(**settings: object) -> OpenBook:
    return OpenBook(**{"questions": 1, "votes": 4, "attempts": 4, "levels": ("easy",), **settings})


def test_it_keeps_the_rules_of_games() -> None:
    assert not check_game(OpenBook()).findings


def test_the_teacher_reads_the_document_and_never_learns(play: Playing) -> None:
    start = about(small(), play)
    replies = Class([f"{start}>boss"], ["Lio", "Lio", "Mab", "?"], ["Lio", "Ada", "Lio", "?"])
    record = play(small(), replies)
    document = WORLD.surroundings(start)
    assert [request.messages[-1].text for request in replies.requests] == [
        wish("easy", document), f"{document}+{start}>boss", f"{start}>boss",
    ]  # fmt: skip
    teacher = [move for move in record.moves if move.tag == "teacher"]
    assert len(teacher) == 4 and not any(move.learn for move in teacher)
    assert rewards(record, "solver") == [1.0, 0.05, 1.0, 0.0]  # Lio is the label, true or not
    assert rewards(record, "questioner") == [pytest.approx(1 - abs(0.5 - 0.8))]


def test_the_vote_of_the_answers_themselves_is_the_control(play: Playing) -> None:
    start = about(small(), play)
    replies = Class([f"{start}>boss"], ["Lio"] * 4, ["Ada", "Ada", "Ada", "Lio"])
    record = play(small(labels="vote"), replies)
    assert rewards(record, "solver") == [1.0, 1.0, 1.0, 0.05]


def test_without_enough_votes_nobody_learns(play: Playing) -> None:
    start = about(small(), play)
    record = play(small(), Class([f"{start}>boss"], ["Lio", "Mab", "Ada", "Ben"], ["Lio"] * 4))
    assert rewards(record, "solver") == [None] * 4
    assert rewards(record, "questioner") == [-0.1]


@pytest.mark.parametrize(
    ("level", "met", "reward"),
    [("easy", 4, 0.8), ("moderate", 2, 1.0), ("hard", 1, 0.95), ("hard", 4, 0.2), ("easy", 0, -0.1)],
)
def test_a_question_earns_by_how_near_it_is_to_its_level(play: Playing, level: str, met: int, reward: float) -> None:
    game = small(levels=(level,))
    start = about(game, play)
    record = play(game, Class([f"{start}>boss"], ["Lio"] * 4, ["Lio"] * met + ["Ada"] * (4 - met)))
    assert rewards(record, "questioner") == [pytest.approx(reward)]


@pytest.mark.parametrize("question", ["", "Tam", "boss", "{start}>uncle", "Zoe>boss", "{start}>boss>boss>boss"])
def test_what_the_document_does_not_answer_costs_most(play: Playing, question: str) -> None:
    start = about(small(), play)
    record = play(small(), Class([question.format(start=start)], [], []))
    assert rewards(record, "questioner") == [-1.0] and len(record.moves) == 1
    assert record.ending is Ending.OK


def test_levels_must_differ(play: Playing) -> None:
    """The easy question is met by half, the hard one by half: .2 is missing, and half of it is taken from both."""
    game = small(levels=("easy", "hard"))
    start = about(game, play)
    replies = Class([f"{start}>boss", f"{start}>rival"], ["Lio"] * 8, ["Lio", "Lio", "Ada", "Ada"] * 2)
    record = play(game, replies)
    assert rewards(record, "questioner") == [pytest.approx(0.7 - 0.1), pytest.approx(0.7 - 0.1)]
    apart = Class([f"{start}>boss", f"{start}>rival"], ["Lio"] * 8, ["Lio"] * 3 + ["Ada"] * 4 + ["Lio"])
    assert rewards(play(game, apart), "questioner") == [pytest.approx(0.95), pytest.approx(0.95)]


def test_the_exam_asks_from_memory_and_teaches_nothing(play: Playing) -> None:
    exam = OpenBook().exam()
    assert {level: len(tasks) for level, tasks in exam.levels.items()} == {"1-hop": 72, "2-hop": 72}
    task = exam.levels["1-hop"][0]
    truth = WORLD.answer(Question.parse(task["question"]))
    replies = Replies({"solver": [str(truth)]})
    record = play(OpenBook(**exam.settings), replies, task=task)
    assert record.result == {"questioner": 0.0, "solver": 1.0} and not record.moves[0].learn
    assert replies.requests[0].messages[-1].text == task["question"]


def test_demonstrations_read_everything_and_remember_half_of_it() -> None:
    demos = list(itertools.islice(OpenBook().demos(random.Random(0)), 3000))
    asked = [demo for demo in demos if demo.role == "solver"]
    for demo in asked:
        question = Question.parse(demo.messages[-1].text.rpartition("+")[2])
        assert demo.reply == WORLD.answer(question)
        assert "(" in demo.messages[-1].text or known(question)
        request = Request("solver", "solver", None, demo.messages, Sampling(), (0,))
        assert "(" not in demo.messages[-1].text or reading_bot(request, random.Random(0)) == demo.reply
    for relation, share in KNOWN.items():
        told = sum(known(Question(name, (relation,))) for name in WORLD.people) / 24
        assert told == pytest.approx(share, abs=0.2)


def test_the_reading_bot_is_the_teacher_one_would_wish_for(play: Playing) -> None:
    record = play(OpenBook(), bots={"questioner": "reading", "solver": "reading"})
    right = [fact.data["label_right"] for fact in record.facts if fact.kind == "note" and "label_right" in fact.data]
    assert len(right) == 6 and set(right) == {1.0}
