"""`selfplay sandbox run`, `selfplay sandbox selftest`, `selfplay sandbox serve`."""

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
from selfplay.errors import RunError, UsageError
from selfplay.sandbox.backends import BACKENDS, Backend, read_token
from selfplay.watch.words import inert

if TYPE_CHECKING:
    from selfplay.sandbox.local import LocalSandbox
    from selfplay.sandbox.remote import RemoteSandbox
    from selfplay.sandbox.tasks import CodeChecker
    from selfplay.sandbox.types import CaseResult, Limits, Sandbox
    from selfplay.types import Verdict

app = new_app("Run code that nobody trusts.")
T = TypeVar("T")
BackendName = Annotated[str, typer.Option("--backend", metavar="NAME", help=f"One of: {', '.join(BACKENDS)}.")]
Image = Annotated[str, typer.Option("--image", metavar="NAME", help="Of docker: not this machine's Python.")]
Runtime = Annotated[str, typer.Option("--runtime", metavar="NAME", help="Of docker: runc, runsc (gVisor), ...")]
Url = Annotated[str, typer.Option("--url", metavar="URL", help="Of remote: the servers; else SELFPLAY_SANDBOX_URL.")]
Token = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="Of remote; else SELFPLAY_SANDBOX_TOKEN.")
]
ServerToken = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="What clients need; else SELFPLAY_SANDBOX_TOKEN.")
]


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
    backend: BackendName = "local",
    image: Image = "",
    runtime: Runtime = "",
    url: Url = "",
    token_file: Token = None,
    json: JsonFlag = False,
) -> None:
    """Run a program where it can do no harm, and say how it ended.

    Exit code 1 if it failed, whatever the reason.
    """
    from selfplay.sandbox.types import Limits

    if call is not None and tests is None:
        raise UsageError(f"--call {call}: there is nothing to call it with\n  name a file of --tests")
    if not 0 < cpu <= Limits().total_s:
        raise UsageError(f"--cpu {cpu:g}: expected more than 0 and at most {Limits().total_s:g} seconds")
    source, limits = _read(file), Limits(cpu_s=cpu)
    new = Backend(backend, 0, image, runtime, url=url, token_file=token_file).make("selfplay sandbox")
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
def selftest(
    backend: BackendName = "local",
    image: Image = "",
    runtime: Runtime = "",
    url: Url = "",
    token_file: Token = None,
    json: JsonFlag = False,
) -> None:
    """Try some 240 attacks, 60 honest programs and 180 forgeries, and say what holds on this machine.

    Exit code 1 if something does not.
    """
    from selfplay.sandbox.selftest import selftest as everything
    from selfplay.sandbox.selftest.forgeries import questions

    async def look(box: Sandbox) -> tuple[dict[str, object], dict[str, str]]:
        return box.describe(), await everything(box)

    start = time.monotonic()
    chosen = Backend(backend, 0, image, runtime, url=url, token_file=token_file)
    description, found = _in_sandbox(chosen.make("selfplay sandbox"), look)
    wrong = {name: trouble for name, trouble in found.items() if trouble}
    forged = _forged(chosen)
    played = len(questions())
    if json:
        programs = {"programs": len(found), "wrong": wrong, "forgeries": played, "forged": forged}
        screen.json({"sandbox": description, **programs})
    else:
        _show_description(description)
        for name, trouble in wrong.items():
            screen.show(inert(f"{name}: {trouble}"))
        screen.show(f"{len(found) - len(wrong)} of {len(found)} programs ended as they must")
        for name in forged:
            screen.show(inert(f"judged wrongly - {name}"))
        screen.show(f"{played - len(forged)} of {played} forgeries and honest answers were judged as they must be")
        screen.say(f"{time.monotonic() - start:.0f} s")
    raise typer.Exit(1 if wrong or forged else 0)


def _forged(chosen: Backend) -> list[str]:
    """What was paid without having earned it, or the other way round, on whatever level the sandbox has."""
    from selfplay.sandbox.judge import Rules
    from selfplay.sandbox.pool import CodePool
    from selfplay.sandbox.selftest.forgeries import forged_passes

    pool = CodePool(lambda: chosen.make("selfplay sandbox"), Rules(allow_weak_sandbox=True))
    try:
        return forged_passes(pool)
    except RunError as error:
        return [f"nothing could be judged: {error}"]
    finally:
        pool.close()


@command(
    app,
    "serve",
    examples=("selfplay sandbox serve", "selfplay sandbox serve --host 0.0.0.0 --token-file token.txt"),
    more='Clients: --backend remote --url URL, or [sandbox] backend = "remote" in a recipe, or SandboxFusion\'s\n'
    "POST /run_code. The token is never an argument: all users of a machine can read those.",
)
def serve(
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="Other than this machine: needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N", help="0: any.")] = 7421,
    backend: BackendName = "local",
    workers: Annotated[int, typer.Option("--workers", min=0, metavar="N", help="Programs at a time; 0: cores.")] = 0,
    image: Image = "",
    runtime: Runtime = "",
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, metavar="N", help="Requests at a time.")] = 32,
    token_file: ServerToken = None,
) -> None:
    """Let other processes and machines run programs in the sandbox of this one, until Ctrl-C."""
    from selfplay.sandbox.routes import Settings
    from selfplay.sandbox.serve import serve as serve_requests

    if backend == "remote":
        raise UsageError("a server has a sandbox of its own\n  choose another --backend")
    box = Backend(backend, workers, image, runtime).make("selfplay sandbox")

    def announce(url: str) -> None:
        _show_description(box.describe())
        screen.say(f"serving at {url}; Ctrl-C ends it")

    serve_requests(box, host, port, read_token(token_file), Settings(concurrency=concurrency), announce)


def _in_sandbox(new: LocalSandbox | RemoteSandbox, use: Callable[[Sandbox], Coroutine[None, None, T]]) -> T:
    """What `use` gives, with a sandbox that is started for it and ended after it."""

    async def inside() -> T:
        async with new as box:
            return await use(box)

    return asyncio.run(inside())


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
        screen.say(f"status {case.status} {inert(case.detail)}".rstrip())
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
        if call is None and not all(isinstance(text, str) for case in cases for text in case):
            raise UsageError(f"{tests} does not hold texts, so it tests a function\n  name it with --call NAME")
        if call is None:
            return source, ScriptTask(cases, limits=limits)
        return source, FunctionTask(call, [(tuple(args), value) for args, value in cases], limits=limits)
    except (ValueError, TypeError, AttributeError) as error:
        shape = "[stdin, stdout]" if call is None else "[[argument, ...], value]"
        raise UsageError(f"{tests} is no JSON list of {shape}: {error}") from error


async def _judge(box: Sandbox, checker: CodeChecker, claim: object) -> tuple[dict[str, object], Verdict]:
    from selfplay.sandbox.judge import Claim, Judge, Rules

    judge = Judge(box, rules=Rules(allow_weak_sandbox=True))  # who looks on is told the level
    (verdict,) = await judge.judge([Claim(checker, checker.texts(claim))])
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
            screen.say(inert(f"  no {layer}: {state}"))
