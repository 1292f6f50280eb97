"""Search agent: a proposer searches its way to a question and its answer, solvers search theirs to the answer.

    proposer  Tam(boss=Lio/friend=Mab/rival=Rok), 2-hop  ->  search(Mab)
              Mab(boss=Wes/friend=Ida/rival=Tam)         ->  Tam>friend>boss=Wes
    solver    Tam>friend>boss  ->  search(Tam)  ...  search(Mab)  ...  Wes

After Dr. Zero (arXiv 2601.07055), whose corpus is Wikipedia; ours is a small world (`knowledge`), the search a recorded
`match.call`. The proposer gets a number of hops, drawn with fixed weights, and a document. What solvers are paid for is
the proposer's own answer, never the truth; `notes/answer_right` says how often the two agree.

    proposer  half its format plus (n-k)/(n-1) where 0 < k < n of the n solvers found its answer, else 0 (`difficulty`)
    format    mean of: 1; a search for every hop but the first; the answer stands in a document that it has seen. 0 if
              the answer stands in the question: then nobody is asked. The paper's term for thinking first is left out
    solver    1 for the proposer's answer, paid to the whole trajectory

All moves of a proposer belong to the group ``N-hop``: with ``credit = "per_class"`` that is HRPO, one proposal per
document and a baseline per class of hops. A good proposer asks what one of five solvers gets right; a good solver
searches one person after the other. Nobody is trained on the truth, or on matches that ask an exam question.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from selfplay.envs.knowledge import NAMES, RELATIONS, Claim, Question, World, person, question_of, search, world
from selfplay.game import Demo, Exam, Game, Role
from selfplay.match import Match
from selfplay.rewards import relative_hardness
from selfplay.roles import duties
from selfplay.types import Move, Request

EXAM_SIZE = 60
_SEARCH = re.compile(r"search\(([^()]{0,50})\)")
SLIPS = 0.3
"""Share of demonstrations whose last word is careless."""


class Search(NamedTuple):
    """A call of the search tool."""

    query: str

    @classmethod
    def parse(cls, text: str) -> Search | None:
        """Read ``search(Tam)``; `None` if it is something else."""
        found = _SEARCH.fullmatch(text.strip())
        return cls(found[1].strip()) if found else None


def searching_or_claim(text: str) -> Search | Claim:
    """What a proposer may say."""
    return Search.parse(text) or Claim.parse(text)


def searching_or_name(text: str) -> Search | str:
    """What a solver may say."""
    return Search.parse(text) or person(text)


def searching_bot(request: Request, rng: random.Random) -> str:
    """Solves every question by search; proposes true claims of the wanted number of hops."""
    talk = [message.text for message in request.conversation()]
    documents = [text for text in talk if "(boss=" in text]
    if request.role == "proposer":
        found = [_document(text) for text in documents]
        path = [next(r for r, name in a[1].items() if name == b[0]) for a, b in pairwise(found)]
        if len(found) < int(talk[1].rpartition(" ")[2].removesuffix("-hop")):
            return f"search({rng.choice(list(found[-1][1].values()))})"
        last = rng.choice(list(found[-1][1]))
        return f"{'>'.join((found[0][0], *path, last))}={found[-1][1][last]}"
    question = Question.parse(talk[1])
    if not documents:
        return f"search({question.start})"
    name = _document(documents[-1])[1][question.path[len(documents) - 1]]
    return name if len(documents) == question.hops else f"search({name})"


def careless_bot(request: Request, rng: random.Random) -> str:
    """Searches like `searching`, but every other answer and proposal ends in any name."""
    reply = searching_bot(request, rng)
    if reply.startswith("search(") or rng.random() < 0.5:
        return reply
    return f"{reply.rpartition('=')[0]}={rng.choice(NAMES)}" if "=" in reply else rng.choice(NAMES)


def _document(text: str) -> tuple[str, dict[str, str]]:
    """Whom a document is about, and whom that person is related to."""
    name, _, rest = text.partition(")")[0].partition("(")
    return name, dict(fact.split("=") for fact in rest.split("/"))


class SearchAgent(Game):
    """Questions of several hops, proposed and solved by search."""

    id = "search_agent"
    result_range = (0.0, 1.0)
    bots = {"random": careless_bot, "searching": searching_bot}
    tools = {"search": search}

    proposer = duties.proposer(
        "Search for more with search(NAME), then write a question and its answer, such as Tam>friend=Mab.",
        searching_or_claim,
    )
    solver = duties.solver("Find the answer: search(NAME) shows a document, a NAME is your answer.", searching_or_name)

    attempts: int = 5
    """Solvers for each question."""
    hops: tuple[int, ...] = (1, 2, 3, 4)
    """How many hops may be asked for."""
    weights: tuple[float, ...] = (4.0, 3.0, 2.0, 1.0)
    """How often each of them is, in proportion."""
    compare: Literal["hops", "documents"] = "hops"
    """Which proposals share a baseline: all of as many hops, or only those about the same document as well (GRPO; the
    recipe then plays replicas of each)."""
    grounded: bool = True
    """Proposals must rest on what was seen. Without it, format pays for any claim."""
    people: int = 24
    """In the world."""
    world: int = 0
    """Which one."""

    async def play(self, match: Match) -> None:
        if match.task is not None:  # an exam question
            question = question_of(match.task)
            solved = self._grade(await self._solve(match, question, learn=False), self._world.answer(question))
            match.result(solver=solved / self.attempts)
            return
        hops = match.rng.choices(self.hops, self.weights)[0]
        seen = [self._world.document(match.rng.choice(self._world.people))]
        claim = await self._propose(match, hops, seen)
        form = self._format(claim, seen, hops) if claim else 0.0
        difficulty = await self._difficulty(match, claim) if claim and form else 0.0
        match.pay(self.proposer, 0.5 * form + difficulty)
        match.note(format=form, difficulty=difficulty)
        if claim:
            right = claim.answer == self._world.answer(claim.question)
            match.note(asked_hops=hops, hops=claim.question.hops, answer_right=float(right))
            match.show(f"{claim.text}   format {form:.2f}, difficulty {difficulty:.2f}")

    async def _propose(self, match: Match, hops: int, seen: list[str]) -> Claim | None:
        """What is claimed in the end; documents found on the way are added to `seen`."""
        prompt = opening(hops, seen[0])
        group = f"{hops}-hop" if self.compare == "hops" else prompt
        for _ in range(hops):
            move = await match.ask(self.proposer, prompt, group=group)
            if isinstance(move.value, Claim):
                return move.value
            prompt = await self._search(match, move.value.query)
            seen.append(prompt)
        move.penalise(f"searched {hops} times without a question", 0.0)
        return None

    async def _difficulty(self, match: Match, claim: Claim) -> float:
        """Have the question solved, pay the solvers, and say what its difficulty is worth to the proposer."""
        answers = await self._solve(match, claim.question)
        share = self._grade(answers, claim.answer) / self.attempts
        match.result(solver=share)
        match.note(solve_rate=share)
        return relative_hardness(answers) or 0.0

    async def _solve(self, match: Match, question: Question, learn: bool = True) -> list[Move]:
        """The last move of each solver."""
        first = await match.ask(self.solver, question.text, n=self.attempts, learn=learn)
        return await match.gather(*(self._go_on(match, move, question.hops, learn) for move in first))

    async def _go_on(self, match: Match, move: Move, searches: int, learn: bool) -> Move:
        """Let one solver search, as often as the question has hops."""
        for _ in range(searches):
            if not isinstance(move.value, Search):
                break
            document = await self._search(match, move.value.query)
            (move,) = await match.ask(self.solver, document, n=1, after=move, learn=learn)
        return move

    async def _search(self, match: Match, query: str) -> str:
        return str(await match.call("search", {"query": query, "people": self.people, "world": self.world}))

    def _format(self, claim: Claim, seen: list[str], hops: int) -> float:
        """How well-formed a proposal is, in [0, 1]; 0: not to be asked."""
        if claim.answer == claim.question.start:
            return 0.0
        searched = len(seen) / hops
        grounded = not self.grounded or any(f"={claim.answer}" in document for document in seen)
        return (1.0 + searched + grounded) / 3.0

    def _grade(self, answers: list[Move], answer: str | None) -> int:
        """Pay whole trajectories; returns how many end in `answer`."""
        for last in answers:
            reward = float(last.foul is None and last.value == answer)
            move: Move | None = last
            while move is not None:
                move.reward = reward
                move = move.parent
        return sum(last.reward == 1.0 for last in answers)

    @property
    def _world(self) -> World:
        return world(self.people, self.world)

    def exam(self) -> Exam:
        levels = {
            f"{hops}-hop": [{"question": q.text} for q in self._world.questions(hops)[:EXAM_SIZE]] for hops in self.hops
        }
        return Exam("solver", levels, settings={"attempts": 1})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        """Searches that lead to the goal, but for a share of careless last words: the tools, not all of the skill."""
        while True:
            question = self._world.random_question(rng, rng.choices(self.hops, self.weights)[0])
            people = self._world.walk(question)
            documents = [self._world.document(name) for name in people[:-1]]
            last = self._world.related(people[-2], rng.choice(RELATIONS)) if rng.random() < SLIPS else people[-1]
            searches = [f"search({name})" for name in people[:-1]]
            yield from _turns(self.solver, [question.text, *documents], [*searches, last])
            claim = Claim(question, last)
            prompts = [opening(question.hops, documents[0]), *documents[1:]]
            yield from _turns(self.proposer, prompts, [*searches[1:], claim.text])


def opening(hops: int, document: str) -> str:
    """What the proposer is told first."""
    return f"{document}, {hops}-hop"


def _turns(role: Role, prompts: Sequence[str], replies: Sequence[str]) -> Iterator[Demo]:
    """One demonstration for each turn of a conversation."""
    talk = list(zip(prompts, replies, strict=True))
    for turn, (prompt, reply) in enumerate(talk):
        yield role.demo(prompt, reply, talk[:turn])
