"""`selfplay sandbox run`, `selfplay sandbox selftest`."""

from __future__ import annotations

import asyncio
import json as jsonlib
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, command, new_app
from selfplay.errors import UnknownName, UsageError
from selfplay.watch.words import inert

if TYPE_CHECKING:
    from selfplay.sandbox.local import LocalSandbox
    from selfplay.sandbox.tasks import CodeChecker
    from selfplay.sandbox.types import CaseResult, Limits, Sandbox
    from selfplay.types import Verdict

app = new_app("Run code that nobody trusts.")
T = TypeVar("T")
BACKENDS = ("local", "subprocess", "docker")
Backend = Annotated[str, typer.Option("--backend", metavar="NAME", help=f"One of: {', '.join(BACKENDS)}.")]
Image = Annotated[str | None, typer.Option("--image", metavar="NAME", help="Of docker: not this machine's Python.")]
Runtime = Annotated[str | None, typer.Option("--runtime", metavar="NAME", help="Of docker: runc, runsc (gVisor), ...")]


@app.callback()
def sandbox() -> None:
    """Run code that nobody trusts."""


@command(
    app,
    "run",
    examples=("selfplay sandbox run answer.py < input.txt", "selfplay sandbox run answer.py --tests t.json --call f"),
    more="--tests t.json: a list of [stdin, stdout], or with --call a list of [[argument, ...], value].\n"
    "--tests t.py: functions test_...() that call the function named by --call; it runs in a process of its own.",
)
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Python program.")],
    tests: Annotated[Path | None, typer.Option("--tests", metavar="FILE", help="What it must do.")] = None,
    call: Annotated[str | None, typer.Option("--call", metavar="NAME", help="The function to test.")] = None,
    cpu: Annotated[float, typer.Option("--cpu", metavar="SECONDS", help="CPU time per case.")] = 2.0,
    backend: Backend = "local",
    image: Image = None,
    runtime: Runtime = None,
    json: JsonFlag = False,
) -> None:
    """Run a program where it can do no harm, and say how it ended.

    Exit code 1 if it failed, whatever the reason.
    """
    from selfplay.sandbox.types import Limits

    source, limits = _read(file), Limits(cpu_s=cpu)
    new = _new(backend, image, runtime)
    if tests is None:
        _show_run(_in_sandbox(new, lambda box: _run_script(box, source, limits)), limits, json=json)
    else:
        claim, checker = _checker(source, tests, call, limits)
        _show_verdict(_in_sandbox(new, lambda box: _judge(box, checker, claim)), json=json)


@command(
    app,
    "selftest",
    examples=("selfplay sandbox selftest", "selfplay sandbox selftest --backend subprocess"),
)
def selftest(backend: Backend = "local", image: Image = None, runtime: Runtime = None, json: JsonFlag = False) -> None:
    """Try some 140 attacks and 60 honest programs, and say what holds on this machine.

    Exit code 1 if something does not.
    """
    from selfplay.sandbox.selftest import selftest as everything

    async def look(box: Sandbox) -> tuple[dict[str, object], dict[str, str]]:
        return box.describe(), await everything(box)

    start = time.monotonic()
    description, found = _in_sandbox(_new(backend, image, runtime), look)
    wrong = {name: trouble for name, trouble in found.items() if trouble}
    if json:
        screen.json({"sandbox": description, "programs": len(found), "wrong": wrong})
    else:
        _show_description(description)
        for name, trouble in wrong.items():
            screen.show(inert(f"{name}: {trouble}"))
        screen.show(f"{len(found) - len(wrong)} of {len(found)} programs ended as they must")
        screen.say(f"{time.monotonic() - start:.0f} s")
    raise typer.Exit(1 if wrong else 0)


def _in_sandbox(new: LocalSandbox, use: Callable[[LocalSandbox], Coroutine[None, None, T]]) -> T:
    """What `use` gives, with a sandbox that is started for it and ended after it."""

    async def inside() -> T:
        async with new as box:
            return await use(box)

    return asyncio.run(inside())


def _new(backend: str, image: str | None, runtime: str | None) -> LocalSandbox:
    if (image or runtime) and backend != "docker":
        raise UsageError("--image and --runtime are about containers\n  add: --backend docker")
    if backend == "local":
        from selfplay.sandbox.local import LocalSandbox

        return LocalSandbox()
    if backend == "subprocess":
        from selfplay.sandbox.subprocess import SubprocessSandbox

        return SubprocessSandbox()
    if backend == "docker":
        from selfplay.sandbox.docker import DockerSandbox

        return DockerSandbox(image=image, runtime=runtime, run="selfplay sandbox")
    raise UnknownName("backend", backend, BACKENDS)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error


async def _run_script(box: Sandbox, source: str, limits: Limits) -> tuple[dict[str, object], CaseResult]:
    from selfplay.sandbox.types import Case, Job

    stdin = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    (result,) = await box.run([Job(source, None, (Case("0", stdin=stdin),), limits=limits, writable=True)])
    return box.describe(), result.cases[0]


def _show_run(ended: tuple[dict[str, object], CaseResult], limits: Limits, *, json: bool) -> None:
    from selfplay.sandbox.types import MIB, Status

    description, case = ended
    if json:
        fields = {name: getattr(case, name) for name in ("status", "exit_code", "signal", "cpu_s", "wall_s", "detail")}
        texts = {name: getattr(case, name).decode(errors="replace") for name in ("stdout", "stderr")}
        screen.json({"sandbox": description, **fields, **texts})
    else:
        for text in (case.stdout, case.stderr):
            for line in text.decode(errors="replace").splitlines():
                screen.show(inert(line))
        _show_description(description)
        screen.say(f"status {case.status} {inert(case.detail)}")
        screen.say(
            f"CPU {case.cpu_s:.3f} of {limits.cpu_s:g} s, memory {case.max_rss_kb >> 10} of {limits.memory // MIB} MB,"
            f" output {len(case.stdout)} of {limits.stdout} bytes, {case.wall_s:.3f} s in all"
        )
    raise typer.Exit(0 if case.status is Status.OK else 1)


def _checker(source: str, tests: Path, call: str | None, limits: Limits) -> tuple[object, CodeChecker]:
    """The claim, and who judges it."""
    from selfplay.sandbox.suites import SuiteRun, Trial
    from selfplay.sandbox.tasks import FunctionTask, ScriptTask

    if tests.suffix == ".py":
        if call is None:
            raise UsageError(f"{tests} tests a function\n  name it with --call NAME")
        return Trial(source, _read(tests)), SuiteRun(call, limits=replace(SuiteRun(call).limits, cpu_s=limits.cpu_s))
    try:
        cases = [(given, expected) for given, expected in jsonlib.loads(_read(tests))]
        if call is None:
            return source, ScriptTask(cases, limits=limits)
        return source, FunctionTask(call, [(tuple(args), value) for args, value in cases], limits=limits)
    except (ValueError, TypeError, AttributeError) as error:
        shape = "[stdin, stdout]" if call is None else "[[argument, ...], value]"
        raise UsageError(f"{tests} is no JSON list of {shape}: {error}") from error


async def _judge(box: Sandbox, checker: CodeChecker, claim: object) -> tuple[dict[str, object], Verdict]:
    from selfplay.sandbox.judge import Claim, Judge

    (verdict,) = await Judge(box).judge([Claim(checker, checker.texts(claim))])
    return box.describe(), verdict


def _show_verdict(judged: tuple[dict[str, object], Verdict], *, json: bool) -> None:
    from selfplay.types import Outcome

    description, verdict = judged
    if json:
        fields = {"outcome": verdict.outcome, "score": verdict.score, "parts": list(verdict.parts)}
        screen.json({"sandbox": description, **fields, "detail": verdict.detail})
    else:
        for number, part in enumerate(verdict.parts, start=1):
            screen.show(f"case {number}: {inert(str(part))}")
        _show_description(description)
        screen.show(f"{verdict.outcome}: {inert(verdict.detail or verdict.status)}")
    raise typer.Exit(0 if verdict.outcome is Outcome.PASS else 1)


def _show_description(description: dict[str, object]) -> None:
    screen.say(f"sandbox {description['backend']}, level {description['level']}")
    layers = description["layers"]
    assert isinstance(layers, dict)
    for layer, state in layers.items():
        if state != "in force":
            screen.say(f"  no {layer}: {state}")
