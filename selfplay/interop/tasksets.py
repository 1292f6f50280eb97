"""Tasksets: rows with a prompt, answered by a solver and scored by a function; a proposer may write new ones.

    class Capitals(Taskset):
        def rows(self):
            return [{"prompt": "Capital of France?", "answer": "Paris"}, ...]

That is a whole game; `score` is where it differs from comparing with ``row["answer"]``. A file of such rows is a game
without any code: ``taskset:path/to/rows.jsonl``. A taskset of the package `verifiers` is one too: ``verifiers:ID``, see
`selfplay.interop.verifiers`.

A subclass that has a role `proposer` is a proposer/solver game: its parser turns a proposal into a row, **answer
included**, or raises `Foul`. So the answer is worked out by the game and never the proposer's claim, and a proposal
whose answer cannot be worked out earns nothing. It earns p(1-p) for the solve rate p, as in `selfplay.envs.countdown`.

One row in eight, chosen by its prompt, is held out for the exam: nobody is ever trained on it.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from selfplay.errors import UsageError
from selfplay.game import Demo, Exam, Game
from selfplay.match import Match
from selfplay.rewards import learnability
from selfplay.roles import duties
from selfplay.seeds import derive
from selfplay.types import Edit, Json, MatchRecord, Move

Row = dict[str, Json]
Rows = Sequence[Row]

HELD_OUT = 8
"""One row in so many belongs to the exam."""


def held_out(prompt: str) -> bool:
    """A row with this prompt belongs to the exam."""
    return derive(0, "taskset", prompt) % HELD_OUT == 0


def same(answer: str, expected: Json) -> bool:
    """Equal but for case, spaces and a full stop at the end; `expected` may be a list of answers that are all right."""
    right = expected if isinstance(expected, list) else [expected]
    return _plain(answer) in {_plain(str(one)) for one in right}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".")


class Taskset(Game):
    """Rows of tasks, answered and scored. Subclass it and write `rows`."""

    result_range = (0.0, 1.0)
    solver = duties.solver("Answer the task.", str.strip)

    attempts: int = 8
    """Answers to each task."""

    def rows(self) -> Rows:
        """The tasks: plain JSON, each with a ``prompt`` and whatever `score` needs. The same at every call."""
        raise NotImplementedError(f"{type(self).__name__} has no `rows`")

    def score(self, row: Row, answer: str) -> float:
        """How good an answer is, in [0, 1]. Raising means that nobody can tell: the answer is masked."""
        return float(same(answer, row["answer"]))

    async def play(self, match: Match) -> None:
        if match.task is not None:
            await self.solve(match, match.task)
        elif "proposer" not in self.roles:
            await self.solve(match, match.rng.choice(self.split()[0]))
        else:
            example = match.rng.choice(self.split()[0])["prompt"]
            proposal = await match.ask(self.roles["proposer"], f"An example:\n{example}\nYour task:")
            row = proposal.value
            if held_out(row["prompt"]):
                proposal.mask("held out for the exam")
            else:
                proposal.reward = learnability(await self.solve(match, row))

    async def solve(self, match: Match, row: Row) -> list[Move]:
        """Have a row answered, reward the answers, and tell the world how it went."""
        if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
            raise UsageError(f'the task {row!r:.80} has no prompt\n  one is {{"prompt": "...", "answer": "..."}}')
        prompt = row["prompt"]
        answers = await match.ask(self.solver, prompt, n=self.attempts, learn=not held_out(prompt))
        scores = []
        for answer in answers:
            if answer.foul is None:
                verdict = await match.check(lambda said: self.score(row, said), answer.value, about=answer)
                answer.reward = verdict.score
            if answer.reward is not None:
                scores.append(answer.reward)
        if scores:
            mean = sum(scores) / len(scores)
            match.result(solver=mean)
            match.publish("pool", prompt, row, solved=sum(scores), of=len(scores))
            match.show(f"{prompt}   {mean:.2f} on average of {len(scores)} answers")
        return answers

    def settle(self, records: Sequence[MatchRecord]) -> Iterable[Edit]:
        """Proposals that equal others of the same generation pay for it."""
        if proposer := self.roles.get("proposer"):
            yield from duties.charge_repeats(records, proposer, lambda row: row["prompt"], 1.0)

    def split(self) -> tuple[Rows, Rows]:
        """Rows to train on, and those of the exam.

        Raises:
            UsageError: there are none to train on.
        """
        kind: Any = type(self)  # which mypy does not take for hashable
        train, exam = _split(kind, json.dumps(self.settings()))
        if not train:
            raise UsageError(f"{self.name()} has no rows to train on\n  rows() gave {len(exam)}, all held out")
        return train, exam

    def exam(self) -> Exam | None:
        tasks = self.split()[1]
        return Exam("solver", {"held out": tasks}, settings={"attempts": 1}) if tasks else None

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        """The training rows that have an answer, with it."""
        rows = [row for row in self.split()[0] if "answer" in row]
        while rows:
            row = rng.choice(rows)
            answer = row["answer"]
            yield self.solver.demo(row["prompt"], str(answer[0] if isinstance(answer, list) else answer))


@functools.lru_cache(maxsize=64)
def _split(kind: Any, settings: str) -> tuple[Rows, Rows]:
    """What `Taskset.split` gives, once for all matches: each has a copy of the game."""
    rows = kind(**json.loads(settings)).rows()
    return [row for row in rows if not held_out(row["prompt"])], [row for row in rows if held_out(row["prompt"])]


class RowsInFile(Taskset):
    """A file of rows; `taskset_game` makes a subclass for each."""

    table: ClassVar[Rows] = []

    def rows(self) -> Rows:
        return self.table


@functools.cache
def taskset_game(path: str) -> type[Game]:
    """The game of a file with one JSON object a line: ``{"prompt": "...", "answer": "..."}``.

    Raises:
        UsageError: the file is missing, or a line is no such object.
    """
    try:
        lines = Path(path).read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the taskset {path}: {error}") from None
    table = [_row(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    own: dict[str, Any] = {
        "__doc__": f"Tasks from {Path(path).name}.",
        "__module__": __name__,
        "id": f"taskset:{path}",
        "table": table,
    }
    game = type(Path(path).stem, (RowsInFile,), own)
    game().split()
    return game


def _row(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{where}: not JSON: {error}") from None
    for column in ("prompt", "answer"):
        if not isinstance(row, dict) or column not in row:
            had = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            raise UsageError(f'{where}: no {column!r} here, only: {had}\n  write {{"prompt": "...", "answer": "..."}}')
    if not isinstance(row["prompt"], str):
        raise UsageError(f"{where}: the prompt is {row['prompt']!r:.60}; a text was expected")
    return dict(row)
