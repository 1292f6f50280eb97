"""A small world of people and how they are related: its documents, and questions that go from one person to the next.

    Tam(boss=Lio/friend=Mab/rival=Rok)      the document about Tam
    Tam>friend>boss                         Tam's friend's boss: a question of two hops
    Tam>friend>boss=Lio                     a claim: question and answer

For games about finding out (`search_agent`) and about knowing (`open_book`). The world is fixed by its seed, so facts
can be looked up or remembered. To the tiny models every name and sign is one token, and all documents have one shape
(documents are joined by ``+``, because whole lines would become tokens, too).
Nothing here is a reward: the games use the truth for exams and notes only.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import NamedTuple

from selfplay import seeds
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.types import Json

RELATIONS = ("boss", "friend", "rival")
_ALL = """Ada Ben Cal Dov Eli Fay Gus Hal Ida Jon Kay Lio Mab Ned Oda Pip
    Quy Rok Sal Tam Uma Vic Wes Yan Zoe Abe Bea Coy Dan Eva Flo Gil"""
NAMES = tuple(_ALL.split())
NOTHING = "nothing found"
"""What a search for an unknown name gives."""
LONGEST = 4
"""Hops of the longest question."""

_QUESTION = re.compile(r"([A-Z][a-z]{1,9})((?:>[a-z]{1,9})+)")


@dataclass(frozen=True, slots=True)
class Question:
    """Where to start, and which relations to follow."""

    start: str
    path: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Question:
        """Read ``Tam>friend>boss``.

        Raises:
            Foul: it is something else.
        """
        found = _QUESTION.fullmatch(text.strip()[:200])
        if not found or found[1] not in NAMES:
            raise Foul("a question is a name and relations, such as Tam>friend>boss")
        path = tuple(found[2].split(">")[1:])
        if len(path) > LONGEST or not set(path) <= {*RELATIONS}:
            raise Foul(f"a question has 1 to {LONGEST} relations, each one of {', '.join(RELATIONS)}")
        return cls(found[1], path)

    @property
    def text(self) -> str:
        return ">".join((self.start, *self.path))

    @property
    def hops(self) -> int:
        return len(self.path)


class Claim(NamedTuple):
    """A question with what somebody says is its answer."""

    question: Question
    answer: str

    @classmethod
    def parse(cls, text: str) -> Claim:
        """Read ``Tam>friend>boss=Lio``; raises Foul."""
        question, _, answer = text.strip()[:200].partition("=")
        return cls(Question.parse(question), person(answer))

    @property
    def text(self) -> str:
        return f"{self.question.text}={self.answer}"


def person(text: str) -> str:
    """A name; raises Foul."""
    name = text.strip()[:200].removesuffix(".")
    if name not in NAMES:
        raise Foul("the answer is one name, such as Lio")
    return name


class World:
    """Who is related to whom. `world` remembers those that were made.

    Args:
        people: how many, 4 to 32.
        seed: which world.
    """

    def __init__(self, people: int, seed: int) -> None:
        self.people = tuple(NAMES[:people])
        rng = seeds.rng(seed, "knowledge", people)
        self._facts = {
            (name, relation): rng.choice([other for other in self.people if other != name])
            for name, relation in product(self.people, RELATIONS)
        }

    def related(self, name: str, relation: str) -> str:
        """The person that `name` has as boss, friend, rival."""
        return self._facts[name, relation]

    def document(self, name: str) -> str:
        """All there is to know about a person; `NOTHING` about somebody unknown."""
        if name not in self.people:
            return NOTHING
        return f"{name}({'/'.join(f'{relation}={self.related(name, relation)}' for relation in RELATIONS)})"

    def surroundings(self, name: str) -> str:
        """The document about a person, and those about the three it names: enough for questions of two hops."""
        around = [self.related(name, relation) for relation in RELATIONS]
        return "+".join(self.document(each) for each in (name, *around))

    def walk(self, question: Question) -> list[str]:
        """Everybody that a question passes, the last one being its answer; empty if it starts with somebody unknown."""
        if question.start not in self.people:
            return []
        names = [question.start]
        for relation in question.path:
            names.append(self.related(names[-1], relation))
        return names

    def answer(self, question: Question) -> str | None:
        """The truth; `None` where the question starts with somebody unknown."""
        walk = self.walk(question)
        return walk[-1] if walk else None

    def random_question(self, rng: random.Random, hops: int) -> Question:
        """A question of so many hops."""
        return Question(rng.choice(self.people), tuple(rng.choices(RELATIONS, k=hops)))

    def questions(self, hops: int) -> list[Question]:
        """All questions of so many hops, always in the same order, shuffled."""
        found = [Question(name, path) for name in self.people for path in product(RELATIONS, repeat=hops)]
        seeds.rng(0, "knowledge exam", hops).shuffle(found)
        return found


@cache
def world(people: int, seed: int) -> World:
    """The world of so many people with this seed.

    Raises:
        UsageError: there are not so many names.
    """
    if not 4 <= people <= len(NAMES):
        raise UsageError(f"a world of {people!r} people: expected 4 to {len(NAMES)}")
    return World(people, seed)


def search(args: Json) -> Json:
    """The tool: ``{"query": "Tam", "people": 24, "world": 0}`` -> the document about Tam."""
    return world(args["people"], args["world"]).document(args["query"])


def question_of(task: Json) -> Question:
    """The question in ``{"question": "Tam>boss"}``.

    Raises:
        UsageError: it is something else.
    """
    text = task.get("question") if isinstance(task, dict) else None
    try:
        return Question.parse(text if isinstance(text, str) else "")
    except Foul as foul:
        raise UsageError(f'the task {task!r} is no question; one is {{"question": "Tam>boss"}}: {foul}') from None
