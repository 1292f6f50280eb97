"""Open book: questions about a document, of wanted difficulty, are answered from memory; whoever may read the document
says what is right.

    questioner  Tam(boss=Lio/friend=Mab/rival=Rok)+...+easy         ->  Tam>boss
    teacher     Tam(boss=Lio/friend=Mab/rival=Rok)+...+Tam>boss     ->  Lio      (the solver, with the document)
    solver      Tam>boss                                             ->  Rok      (from memory: wrong)

After DARC (arXiv 2601.13761). Nobody is told the truth: the label is the majority of the teacher's answers, who is the
same solver with the document before it and never learns from that (``learn=False``). Phases of a recipe are its stages:
first the questioner learns while the solver rests, then the solver learns while the questioner rests.

    questioner  1 - |s - target| for the share s of answers from memory that meet the label; targets are .8 for easy, .5
                for moderate and .2 for hard questions. -0.1 if s is 0; -1 if nobody can read the question, or if the
                document does not answer it. Where a question is not easier by .2 than the one of the next level, half
                of what is missing is taken from both, down to 0
    solver      .95 for meeting the label and .05 for any name; masked where the label has less than .3 of the votes

A good questioner knows what the solver remembers, and goes as far beyond it as the level says; a good solver remembers
what the document says.

The paper's questions carry an analysis in JSON, and a model judges whether they belong to the document; ours are short,
and that is decided exactly. ``labels = "vote"`` is the control: the majority of the very answers that are rewarded.
The world is partly known from the start: `demos` tell nearly all bosses, half of the friends, few rivals, and some of
the rest is remembered from documents. The exam asks for all there is to know, from memory; rewards never look at the
truth.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from selfplay.envs.knowledge import NAMES, RELATIONS, Question, World, person, question_of, world
from selfplay.game import Demo, Exam, Game, penalty
from selfplay.match import Match
from selfplay.roles import duties, votes
from selfplay.seeds import derive
from selfplay.types import Move, Request

LEVELS = {"easy": 0.8, "moderate": 0.5, "hard": 0.2}
"""Level -> share of answers from memory that should meet the label; easier levels first."""
STEP = 0.2
"""So much easier than the next level each level should be."""
KNOWN = {"boss": 0.95, "friend": 0.5, "rival": 0.15}
"""Share of the facts about each relation that demonstrations tell; of questions of two hops, `KNOWN_CHAINS`."""
KNOWN_CHAINS = 0.2
EXAM_SIZE = 72


def reading_bot(request: Request, rng: random.Random) -> str:
    """Asks any question about the document; answers from the document, and at random without one."""
    *lines, last = request.messages[-1].text.split("+")
    if request.role == "questioner":
        return Question(lines[0][:3], tuple(rng.choices(RELATIONS, k=rng.choice((1, 2))))).text
    facts = {line.partition("(")[0]: dict(re.findall("([a-z]+)=([A-Z][a-z]+)", line)) for line in lines}
    question = Question.parse(last)
    name = question.start
    for relation in question.path:
        name = facts.get(name, {}).get(relation) or rng.choice(NAMES)
    return name


def guessing_bot(request: Request, rng: random.Random) -> str:
    """Asks any question about the document; answers with any of a few names."""
    return reading_bot(request, rng) if request.role == "questioner" else rng.choice(NAMES[:4])


class Asked(NamedTuple):
    """A question about the document, and how it went."""

    question: Move
    answers: list[Move]
    """From memory."""
    label: votes.Vote

    @property
    def rate(self) -> float:
        """Share of the answers that meet the label."""
        met = [answer.value == self.label.winner for answer in self.answers if self.label.winner is not None]
        return sum(met) / len(met) if met else 0.0


class OpenBook(Game):
    """Questions of wanted difficulty, answered from memory, labelled from the document."""

    id = "open_book"
    result_range = (0.0, 1.0)
    bots = {"random": guessing_bot, "reading": reading_bot}

    questioner = duties.proposer(
        "Write a question about the document, as hard as asked for, such as Tam>boss or Tam>boss>rival.",
        Question.parse,
        foul=penalty(-1.0),
    )
    solver = duties.solver("Answer the question with a NAME.", person)

    labels: Literal["teacher", "vote"] = "teacher"
    """Who says what is right: the solver with the document, or the majority of the solvers without."""
    levels: tuple[str, ...] = tuple(LEVELS)
    """Which levels are asked for."""
    questions: int = 2
    """For each level; they compete with each other."""
    votes: int = 8
    """The teacher's answers to each question."""
    attempts: int = 8
    """Answers from memory to each question."""
    threshold: float = 0.3
    """Share of the votes that a label needs."""
    people: int = 24
    """In the world."""
    world: int = 0
    """Which one."""

    async def play(self, match: Match) -> None:
        if match.task is not None:  # an exam question
            question = question_of(match.task)
            answers = await match.ask(self.solver, question.text, n=self.attempts, learn=False)
            match.result(
                solver=duties.grade(answers, lambda name: name == self._world.answer(question)) / self.attempts
            )
            return
        document = self._world.surroundings(match.rng.choice(self._world.people))
        asks = [match.ask(self.questioner, wish(level, document), n=self.questions) for level in self.levels]
        proposals = await match.gather(*asks)
        tries = [self._ask(match, move, document) for moves in proposals for move in moves]
        asked = await match.gather(*tries)
        by_level = [asked[i : i + self.questions] for i in range(0, len(asked), self.questions)]
        for level, found in zip(self.levels, by_level, strict=True):
            for one in filter(None, found):
                self._pay(match, level, one)
        for easier, harder in pairwise(by_level):
            rank(easier, harder)
        if graded := [one for one in asked if one]:
            right = [move.value == self._world.answer(one.question.value) for one in graded for move in one.answers]
            match.result(solver=sum(right) / len(right))

    async def _ask(self, match: Match, move: Move, document: str) -> Asked | None:
        """Have one question labelled and answered; `None` if it is no question about the document."""
        if move.foul is not None:
            return None
        question: Question = move.value
        passed = self._world.walk(question)[:-1]
        if not passed or not all(f"{name}(" in document for name in passed):
            move.penalise("the document does not tell", -1.0)
            return None
        teacher, answers = await match.gather(
            match.ask(self.solver, f"{document}+{question.text}", n=self.votes, tag="teacher", learn=False),
            match.ask(self.solver, question.text, n=self.attempts),
        )
        voters = teacher if self.labels == "teacher" else answers
        return Asked(move, answers, votes.vote(votes.ballots(voters, str), threshold=self.threshold))

    def _pay(self, match: Match, level: str, asked: Asked) -> None:
        """Reward a question and its answers, and note how true the label is."""
        label, rate = asked.label.winner, asked.rate
        for answer in asked.answers:
            if label is None:
                answer.mask("too few votes for a label")
            elif answer.foul is None:
                answer.reward = 0.95 * (answer.value == label) + 0.05
        asked.question.reward = 1.0 - abs(rate - LEVELS[level]) if rate else -0.1
        match.note(**{f"{level}_rate": rate}, label_share=asked.label.share)
        if label is not None:
            match.note(label_right=float(label == self._world.answer(asked.question.value)))
        match.show(f"{level}: {asked.question.value.text} = {label}, met by {rate:.0%}")

    @property
    def _world(self) -> World:
        return world(self.people, self.world)

    def exam(self) -> Exam:
        levels = {
            f"{hops}-hop": [{"question": q.text} for q in self._world.questions(hops)[:EXAM_SIZE]] for hops in (1, 2)
        }
        return Exam("solver", levels, settings={"attempts": 1})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        """Any question about a document, what the document answers, and without it what is told of the world."""
        while True:
            start = rng.choice(self._world.people)
            document = self._world.surroundings(start)
            question = Question(start, tuple(rng.choices(RELATIONS, k=rng.choice((1, 2)))))
            yield self.questioner.demo(wish(rng.choice(list(LEVELS)), document), question.text)
            answer = self._world.answer(question)
            yield self.solver.demo(f"{document}+{question.text}", str(answer))
            if known(question):
                yield self.solver.demo(question.text, str(answer))


def wish(level: str, document: str) -> str:
    """What the questioner is told."""
    return f"{document}+{level}"


def known(question: Question) -> bool:
    """Is the answer told by demonstrations? Always the same questions."""
    share = KNOWN[question.path[0]] if question.hops == 1 else KNOWN_CHAINS
    return derive(0, "open book", question.text) % 1000 < 1000 * share


def rank(easier: Sequence[Asked | None], harder: Sequence[Asked | None]) -> None:
    """Take half of what an easier question is not easier by from it and from the harder one, down to 0."""
    for one, other in zip(easier, harder, strict=True):
        if one is None or other is None:
            continue
        missing = STEP - (one.rate - other.rate)
        for asked in (one, other) if missing > 0.0 else ():
            reward = asked.question.reward
            if reward is not None and reward > 0.0:
                asked.question.reward = max(0.0, reward - 0.5 * missing)
