"""SandboxFusion's ``/run_code``: its request as a job of ours, and our result as its response.

For clients that were written against it. Its verdict is the exit code of a program that may hold its own tests, so any
program can be "successful" by exiting early: whoever pays for that pays for cheating (docs/security.md). Python
alone; no files.

https://github.com/bytedance/SandboxFusion (sandbox/server/sandbox_api.py)
"""

from __future__ import annotations

import json
from dataclasses import replace

from selfplay.errors import UsageError
from selfplay.sandbox.types import MIB, Case, CaseResult, ExecResult, Job, Limits, Status
from selfplay.types import Json

_DEFAULT_S = 10.0
_LATE = {Status.TIMEOUT, Status.CPU_LIMIT}
_NOT_ASKED_FOR: dict[str, Json] = {"files": {}, "fetch_files": [], "args": []}
"""What it has and we do not."""


def job_from(body: bytes, allowed: Limits) -> Job:
    """The program of a request.

    Raises:
        UsageError: it is no such request, or asks for what is not offered here.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is no JSON: {type(error).__name__}") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("code"), str):
        raise UsageError("the body has no text `code`")
    if asked.get("language") != "python":
        raise UsageError("language: only 'python' is offered here")
    for name, nothing in _NOT_ASKED_FOR.items():
        if asked.get(name, nothing) != nothing:
            raise UsageError(f"{name}: not offered here")
    stdin = asked.get("stdin") or ""
    if not isinstance(stdin, str):
        raise UsageError("stdin is no text")
    seconds = _between(asked, "run_timeout", _DEFAULT_S, allowed.cpu_s)
    megabytes = _between(asked, "memory_limit_MB", -1, allowed.memory // MIB)
    limits = replace(Limits(), cpu_s=seconds, total_s=seconds)
    if megabytes > 0:
        limits = replace(limits, memory=int(megabytes) * MIB)
    case = Case("0", stdin=stdin.encode("utf-8", "surrogatepass"))
    return Job(asked["code"], None, (case,), limits=limits, writable=True)


def _between(asked: dict[str, Json], name: str, default: float, most: float) -> float:
    found = asked.get(name, default)
    if type(found) not in (int, float) or not (found == default or 0 < found <= most):
        raise UsageError(f"{name}: more than 0 and at most {most:g} is offered here")
    return float(found)


def response_of(result: ExecResult) -> dict[str, Json]:
    """What the client of a request is told."""
    (case,) = result.cases
    trouble = case.status is Status.SANDBOX_ERROR
    status = "SandboxError" if trouble else "Success" if case.status is Status.OK else "Failed"
    return {
        "status": status,
        "message": case.detail if trouble else "",
        "compile_result": None,
        "run_result": None if trouble else _run_result(case),
        "executor_pod_name": None,
        "files": {},
    }


def _run_result(case: CaseResult) -> dict[str, Json]:
    late = case.status in _LATE
    return {
        "status": "TimeLimitExceeded" if late else "Finished",
        "execution_time": case.wall_s,
        "return_code": None if late else _return_code(case),
        "stdout": case.stdout.decode(errors="replace"),
        "stderr": case.stderr.decode(errors="replace"),
    }


def _return_code(case: CaseResult) -> int:
    """As of a subprocess; never 0 unless all went well."""
    if case.status is Status.OK:
        return 0
    return -case.signal if case.signal else case.exit_code or 1
