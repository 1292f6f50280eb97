"""Carries the calls that tests make to the program under test, and back: the only thing between the two sandboxes.

Both sides are hostile. What the tests send is decoded before it goes on, what the program returns before it goes back;
neither sees anything of the other but values. The program runs in a process of its own for each call, so it cannot
count calls or leave anything behind. An exception that it raises is raised in the test, for a test may expect it. If it
dies (a limit, a signal, a forged result), that is noted here, and no later call of this test is carried over.
"""

from __future__ import annotations

import builtins
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from selfplay.sandbox.inside.values import BadValue, decode, encode
from selfplay.sandbox.tasks import Order
from selfplay.sandbox.types import Call, Case, CaseResult, ExecResult, Job, Reply, Status

Run = Callable[[Sequence[Job]], Awaitable[list[ExecResult]]]

CRASHED = "SolutionCrashed"
MAX_KEPT = 1000
"""Longer values are not kept for the next call with the same arguments."""


class Calls:
    """Answers the calls of one execution of one test.

    Args:
        order: has the program that answers, and how many calls it answers.
        run: runs jobs, in sandboxes of their own.
        known: answers of earlier calls by program, name and arguments; new ones are added.
    """

    def __init__(self, order: Order, run: Run, known: dict[tuple[str, str, str], Reply]) -> None:
        self.count = 0
        """Calls that were carried over."""
        self.died = ""
        """Why no more are, if so."""
        self._order = order
        self._run = run
        self._known = known

    async def answer(self, call: Call) -> Reply:
        if not self.died and self.count == self._order.calls:
            self.died = "too_many_calls"
        if not self.died and self._order.solution is None:
            self.died = "not_a_program"
        if self.died or self._order.solution is None:
            return Reply(error=(CRASHED, self.died))
        try:
            args = _arguments(call.args)
            sent = encode(args)
        except BadValue as error:
            return Reply(error=("TypeError", f"these arguments cannot be sent to {call.name}: {error}"))
        self.count += 1
        key = (self._order.solution.source, call.name, sent)
        reply = self._known.get(key)
        if reply is None:
            reply = await self._ask(self._order.solution, args)
            if not self.died and len(reply.value or b"") <= MAX_KEPT:
                self._known[key] = reply
        return reply

    async def _ask(self, solution: Job, args: tuple[object, ...]) -> Reply:
        (result,) = await self._run([replace(solution, cases=(Case("0", args),))])
        (case,) = result.cases
        reply = _reply(case)
        if reply is None:
            self.died = str(case.status if case.status is not Status.OK else Status.INVALID_RESULT)
            return Reply(error=(CRASHED, self.died))
        return reply


def _arguments(text: bytes) -> tuple[object, ...]:
    """The positional arguments of a call.

    Raises:
        BadValue: the caller sent something else.
    """
    sent = decode(text)
    if not (isinstance(sent, tuple) and len(sent) == 2 and isinstance(sent[0], tuple) and isinstance(sent[1], dict)):
        raise BadValue("a call is a tuple of arguments and a dict of keyword arguments")
    if sent[1]:
        raise BadValue("keyword arguments do not travel; pass them by position")
    return sent[0]


def _reply(case: CaseResult) -> Reply | None:
    """The answer to a call; `None` if the program died of it."""
    if case.status is Status.OK and case.value is not None:
        try:
            return Reply(value=encode(decode(case.value)).encode())
        except BadValue:
            return None
    if case.status is Status.EXCEPTION and case.raised is not None:
        kind = getattr(builtins, case.raised.type, None)
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):  # one of the program's own
            return Reply(error=(CRASHED, case.raised.type[:200]))
        if issubclass(kind, Exception):
            return Reply(error=(case.raised.type, case.raised.message[:200]))
    return None
