"""Running a program to learn what it does: the output of (program, input, output), where nobody expects one.

`observe` is a tool for `match.call`, so what it found is recorded and a replay runs nothing:

    class Deduction(Game):
        tools = {"observe": observe}
        ...
        seen = await match.call("observe", {"source": source, "entry": "f", "inputs": [encode((3,))]})
        if seen["status"] == "ok":
            expected = decode(seen["values"][0])

Each input is run twice, each time in a process of its own: a program whose answers differ (it looks at the clock, at
addresses, at `os.urandom`) is not deterministic, and no task can be made of it. One that draws from `random` is: every
process begins with the same seed. Values are wire texts (`selfplay.sandbox.inside.values`), so a tuple stays one.
"""

from __future__ import annotations

from selfplay.errors import RunError
from selfplay.sandbox.inside.values import BadValue, decode, encode
from selfplay.sandbox.pool import CodePool, current_pool
from selfplay.sandbox.tasks import Order, Report, not_a_program
from selfplay.sandbox.types import Case, CaseResult, Job, Limits, Status
from selfplay.types import Json

LIMITS = Limits()


def observe(args: Json) -> Json:
    """What a function returns.

    Args:
        args: ``source``, ``entry``, and ``inputs``: a list of wire texts, each of a tuple of arguments.

    Returns:
        ``status``: ``ok``, ``nondeterministic``, or how the first input that failed ended; ``values``: for each input
        the wire text of what was returned, or None.

    Raises:
        RunError: the sandbox failed.
        BadValue: an input is no wire text of a tuple.
    """
    return observed(current_pool(), args["source"], args["entry"], args["inputs"])


def observed(pool: CodePool, source: str, entry: str, inputs: list[str], limits: Limits = LIMITS) -> Json:
    """`observe` in a given pool."""
    why = not_a_program(source, limits)
    if why is not None or not inputs:
        return {"status": why or "no_inputs", "values": [None] * len(inputs)}
    cases = tuple(Case(str(number), _arguments(text)) for number, text in enumerate(inputs))
    order = Order(Job(source, entry, cases, limits=limits))
    once, again = (_answers(report) for report in pool.carry_out([order, order]))
    statuses = [status for status, _ in once if status is not Status.OK]
    if once != again:
        return {"status": "nondeterministic", "values": [None] * len(inputs)}
    return {"status": str(statuses[0] if statuses else Status.OK), "values": [value for _, value in once]}


def _arguments(text: str) -> tuple[object, ...]:
    args = decode(text)
    if not isinstance(args, tuple):
        raise BadValue("the arguments of a call are a tuple")
    return args


def _answers(report: Report) -> list[tuple[Status, str | None]]:
    return [_answer(case) for case in report.cases]


def _answer(case: CaseResult) -> tuple[Status, str | None]:
    if case.status is Status.SANDBOX_ERROR:
        raise RunError(f"the sandbox failed: {case.detail}")
    if case.status is not Status.OK:
        return case.status, None
    try:
        return Status.OK, encode(decode(case.value or b""))
    except BadValue:
        return Status.INVALID_RESULT, None
