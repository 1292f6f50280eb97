"""Tasksets of the package `verifiers` (version 1 of its interface) as Games: ``verifiers:ID``.

The ID is what verifiers' own commands take: an installed module that exports a `Taskset`. Its tasks are the rows; the
prompt is the task's, after its system prompt; the solver's whole reply is scored by the task's own rewards, and their
weighted mean is the reward. A reward that raises, a judge that cannot be reached, say nothing about the answer: it is
masked. Source: https://github.com/PrimeIntellect-ai/verifiers.

Not here: tasks of several turns, with tools, or scored inside a container. Nor verifiers' environments with several
agents: write those as Games (for a proposer and a solver, `selfplay.interop.tasksets`).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, ClassVar, TypeVar

from selfplay.errors import MissingExtra, UsageError
from selfplay.game import Game, Role
from selfplay.interop.tasksets import Row, Rows, Taskset

T = TypeVar("T")

MOST = 10_000
"""Tasks that are taken from a taskset, which may be endless."""


class VerifiersTaskset(Taskset):
    """A taskset of verifiers; `verifiers_game` makes a subclass for each."""

    solver = Role("Solve the task.", parse=str.strip)
    tasks: ClassVar[list[Any]] = []
    """The `verifiers.v1.Task`s."""

    def rows(self) -> Rows:
        return [{"prompt": _prompt(task), "task": index} for index, task in enumerate(self.tasks)]

    def score(self, row: Row, answer: str) -> float:
        rewards = _apart(_rewards(self.tasks[row["task"]], answer))
        score = sum(reward.value for reward in rewards) / sum(abs(reward.weight) for reward in rewards)
        if not math.isfinite(score):
            raise ValueError(f"the rewards are {rewards}")
        return float(score)


async def _rewards(task: Any, reply: str) -> list[Any]:
    """What the task's own scoring makes of a reply, as verifiers would have recorded it."""
    from verifiers import v1

    asked = v1.MessageNode(message=v1.UserMessage(content=task.data.prompt_text))
    said = v1.MessageNode(parent=0, message=v1.AssistantMessage(content=reply), sampled=True)
    trace = v1.Trace(
        task=v1.TraceTask(type=type(task).__name__, data=task.data),
        agent=v1.AgentInfo(config=v1.AgentConfig()),
        nodes=[asked, said],
    )
    await task.score(trace)
    return [reward for reward in trace.rewards.values() if reward is not None]


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, run in a thread of its own: this one may have a running event loop, as in a notebook."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(asyncio.run(work))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result()


def _prompt(task: Any) -> str:
    return "\n\n".join(text for text in (task.data.system_prompt, task.data.prompt_text) if text)


@functools.cache
def verifiers_game(name: str) -> type[Game]:
    """The game of the taskset that verifiers calls `name`.

    Raises:
        MissingExtra: verifiers is not installed.
        UsageError: there is no such taskset, it needs settings, or its tasks are more than a prompt and rewards.
    """
    try:
        from verifiers.v1 import TasksetConfig
        from verifiers.v1.utils.generic import concrete_type
        from verifiers.v1.utils.loaders import load_taskset, taskset_class
    except ImportError:
        raise MissingExtra(f"verifiers:{name}", "verifiers") from None
    try:
        config = concrete_type(taskset_class(name), TasksetConfig) or TasksetConfig
        tasks = list(load_taskset(config(id=name)).take(MOST))
    except Exception as error:  # whatever the taskset's code raises
        raise UsageError(f"verifiers cannot load the taskset {name!r}: {error}") from error
    if why := _objection(tasks):
        raise UsageError(f"the taskset {name!r} of verifiers cannot be played here: {why}")
    about = f"The taskset {name} of verifiers: {len(tasks)} tasks."
    own = {"__doc__": about, "__module__": __name__, "id": f"verifiers:{name}", "tasks": tasks}
    return type(name, (VerifiersTaskset,), own)


def _objection(tasks: list[Any]) -> str:
    """Why these tasks are more than a prompt and rewards; empty: they are not."""
    if not tasks:
        return "it has no tasks"
    task = tasks[0]
    if task.NEEDS_CONTAINER or any(one.data.image for one in tasks):
        return "its tasks need a container"
    if type(task).toolsets(task.config):
        return "its tasks need tools"
    if not all(_prompt(one) for one in tasks):
        return "some of its tasks have no prompt"
    rewards = task.hooks("reward")
    needs = [inspect.signature(reward).parameters.get("runtime") for reward in rewards]
    if any(need is not None and need.default is inspect.Parameter.empty for need in needs):
        return "its rewards look into a container"
    if not rewards and not task.plugged_judges():
        return "it has no rewards"
    return ""
