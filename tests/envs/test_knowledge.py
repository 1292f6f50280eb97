"""The small world: documents tell the truth, questions are read exactly, tasks are checked."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.envs.knowledge import (
    LONGEST,
    NAMES,
    NOTHING,
    RELATIONS,
    Claim,
    Question,
    person,
    question_of,
    search,
    world,
)
from selfplay.errors import UsageError
from selfplay.game import Foul

SMALL = world(24, 0)


def test_the_same_world_always() -> None:
    assert SMALL.document("Ada") == "Ada(boss=Kay/friend=Kay/rival=Ned)"
    assert SMALL is world(24, 0) and SMALL.document("Ada") != world(24, 1).document("Ada")
    assert len({*NAMES}) == 32 == len(world(32, 0).people)
    with pytest.raises(UsageError, match="expected 4 to 32"):
        world(33, 0)


def test_documents_tell_what_questions_find() -> None:
    for name in SMALL.people:
        for relation in RELATIONS:
            other = SMALL.answer(Question(name, (relation,)))
            assert other != name and f"{relation}={other}" in SMALL.document(name)
            assert SMALL.document(str(other)) in SMALL.surroundings(name)
    walk = SMALL.walk(Question("Tam", ("friend", "boss")))
    assert walk == ["Tam", SMALL.related("Tam", "friend"), SMALL.related(SMALL.related("Tam", "friend"), "boss")]


def test_nothing_is_known_about_strangers() -> None:
    assert SMALL.document("Nobody") == NOTHING == search({"query": "Zoe>", "people": 24, "world": 0})
    assert SMALL.answer(Question("Gil", ("boss",))) is None and SMALL.walk(Question("Gil", ("boss",))) == []
    assert search({"query": "Ada", "people": 24, "world": 0}) == SMALL.document("Ada")


@given(st.integers(0, 2**32), st.integers(1, LONGEST))
def test_questions_and_claims_are_read_as_they_are_written(seed: int, hops: int) -> None:
    question = SMALL.random_question(random.Random(seed), hops)
    assert Question.parse(question.text) == question and question.hops == hops
    claim = Claim(question, "Lio")
    assert Claim.parse(f" {claim.text}\n") == claim


@pytest.mark.parametrize(
    "text",
    ["", "Tam", "Tam>", ">boss", "Tam>boss>", "tam>boss", "Xyz>boss", "Tam>uncle", "Tam > boss", "Tam>boss=Lio",
     "Tam" + ">boss" * 5, "Tam" + ">boss" * 10**5, "Tam>boss\nTam>boss", "Tam>\uff42oss"],
)  # fmt: skip
def test_everything_else_is_no_question(text: str) -> None:
    with pytest.raises(Foul):
        Question.parse(text)


@pytest.mark.parametrize("text", ["Tam>boss", "Tam>boss=", "Tam>boss=lio", "=Lio", "Tam>boss=Lio=Lio", "Lio" * 10**5])
def test_everything_else_is_no_claim(text: str) -> None:
    with pytest.raises(Foul):
        Claim.parse(text)
    with pytest.raises(Foul):
        person(text)


def test_exam_questions_are_all_different() -> None:
    for hops in (1, 2):
        questions = SMALL.questions(hops)
        assert len({*questions}) == len(questions) == 24 * 3**hops
        assert questions == SMALL.questions(hops)


@pytest.mark.parametrize("task", [None, {}, {"question": 5}, {"question": "Tam"}, "Tam>boss", {"q": "Tam>boss"}])
def test_a_task_that_is_no_question_is_explained(task: object) -> None:
    with pytest.raises(UsageError, match="is no question"):
        question_of(task)
