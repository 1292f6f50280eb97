"""Tasksets of the package verifiers through the door: loaded, scored by their own rewards, or refused."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfplay.errors import UsageError
from selfplay.games import find_game, make_game
from selfplay.types import MatchRecord

pytest.importorskip("verifiers.v1")

from selfplay import check_game
from selfplay.record.codec import dumps, loads
from selfplay.replay import difference, replay

Playing = Callable[..., MatchRecord]

HEAD = """
import itertools
import verifiers.v1 as vf

class Data(vf.TaskData):
    answer: str = ""

class Config(vf.TasksetConfig):
    pass

__all__ = ["Rows"]
"""

TASKSETS = {
    "vf_sums": """
class Task(vf.Task[Data, vf.State, vf.TaskConfig]):
    @vf.reward(weight=3.0)
    async def right(self, trace) -> float:
        return float(trace.last_reply == self.data.answer)

    @vf.reward
    async def short(self, trace) -> float:
        return float(len(trace.last_reply) < 5)

class Rows(vf.Taskset[Task, Config]):
    INFINITE = True

    def load(self):
        for n in itertools.count():
            yield Task(Data(prompt=f"{n}+1=", system_prompt="Add.", answer=str(n + 1)), self.config.task)
""",
    "vf_reverse": """
class Task(vf.Task[Data, vf.State, vf.TaskConfig]):
    @vf.reward
    async def overlap(self, task, trace) -> float:
        said = trace.last_reply
        return sum(a == b for a, b in zip(said, task.answer)) / max(len(said), len(task.answer))

class Rows(vf.Taskset[Task, Config]):
    def load(self):
        return [Task(Data(prompt=f"Reverse {w}", answer=w[::-1])) for w in ("drawer", "stressed", "loop", "star")]
""",
    "vf_judged": """
class Task(vf.Task[Data, vf.State, vf.TaskConfig]):
    @vf.reward
    async def judge(self, trace) -> float:
        if "?" in trace.last_reply:
            raise ConnectionError("the judge is away")
        return 1.0

class Rows(vf.Taskset[Task, Config]):
    def load(self):
        return [Task(Data(prompt=f"Say something about {n}.")) for n in range(12)]
""",
    "vf_container": """
class Task(vf.Task[Data, vf.State, vf.TaskConfig]):
    NEEDS_CONTAINER = True

class Rows(vf.Taskset[Task, Config]):
    def load(self):
        return [Task(Data(prompt="Fix it."))]
""",
    "vf_runtime": """
class Task(vf.Task[Data, vf.State, vf.TaskConfig]):
    @vf.reward
    async def passes(self, runtime) -> float:
        return 1.0

class Rows(vf.Taskset[Task, Config]):
    def load(self):
        return [Task(Data(prompt="Fix it."))]
""",
    "vf_unscored": """
class Task(vf.Task[Data, vf.State, vf.TaskConfig]):
    pass

class Rows(vf.Taskset[Task, Config]):
    def load(self):
        return [Task(Data(prompt="Hello."))]
""",
}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tasksets above, as modules that can be imported."""
    folder: Path = tmp_path_factory.mktemp("tasksets")
    for name, text in TASKSETS.items():
        (folder / f"{name}.py").write_text(HEAD + text, "utf-8")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.mark.parametrize("name", ["vf_sums", "vf_reverse", "vf_judged"])
def test_tasksets_keep_the_rules_and_replay(play: Playing, name: str) -> None:
    game = make_game(f"verifiers:{name}", {"attempts": 2})
    report = check_game(game, 4)
    assert report.ok, report.findings
    record = play(game, {"solver": ["one", "two"]}, seed=3)
    kept = loads(dumps(record))
    assert record.error is None and difference(kept, replay(kept, game)) is None


def test_the_reward_is_the_weighted_mean_of_the_tasks_own(play: Playing) -> None:
    game = make_game("verifiers:vf_sums", {"attempts": 3})
    row = next(row for row in game.split()[0] if row["task"] > 9)  # type: ignore[attr-defined]
    right = str(row["task"] + 1)
    record = play(game, {"solver": [right, "0", "a long and winding answer"]}, task=row)
    assert [move.reward for move in record.moves] == [1.0, 0.25, 0.0]
    assert record.moves[0].messages[-1].text == f"Add.\n\n{row['task']}+1="


def test_a_reward_that_cannot_tell_masks_the_answer(play: Playing) -> None:
    record = play(make_game("verifiers:vf_judged", {"attempts": 2}), {"solver": ["why?", "so"]})
    assert [move.reward for move in record.moves] == [None, 1.0]
    assert "the judge is away" in next(fact.data["detail"] for fact in record.facts if fact.kind == "check")


def test_it_works_where_an_event_loop_is_running(play: Playing) -> None:
    async def notebook() -> MatchRecord:
        return play(make_game("verifiers:vf_reverse", {"attempts": 1}), {"solver": ["?"]})

    assert asyncio.run(notebook()).result == {"solver": 0.0}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vf_container", "its tasks need a container"),
        ("vf_runtime", "its rewards look into a container"),
        ("vf_unscored", "it has no rewards"),
        ("vf_nowhere", "cannot load the taskset 'vf_nowhere'"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_reason(name: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        find_game(f"verifiers:{name}")
    assert words in str(raised.value)
