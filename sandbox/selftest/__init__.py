"""Does this sandbox hold, on this machine? Hostile and honest programs, and how each must end.

    attacks  programs that must fail, each in its own way      honest  programs that must succeed

The tests run them on every backend; `selfplay sandbox selftest` runs them where a person wants to rely on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.sandbox.inside import values
from selfplay.sandbox.selftest.attacks import ATTACKS, Attack
from selfplay.sandbox.selftest.honest import FUNCTIONS, SCRIPTS, Function, Script
from selfplay.sandbox.types import Case, ExecResult, Job, Sandbox, Status

Program = Attack | Function | Script
PROGRAMS: tuple[Program, ...] = (*ATTACKS, *FUNCTIONS, *SCRIPTS)


def job_of(program: Program) -> Job:
    """What to run."""
    if isinstance(program, Attack):
        source, entry, case, writable = program.code, None, Case("0"), program.writable
    elif isinstance(program, Function):
        source, entry, case, writable = program.source, "f", Case("0", program.args), program.writable
    else:
        source, entry, case, writable = program.source, None, Case("0", stdin=program.stdin), False
    profile, limits = program.profile, program.limits
    return Job(source, entry, (case,), limits=limits, profile=profile, writable=writable)


def trouble(program: Program, result: ExecResult) -> str:
    """What went otherwise than it must; empty if nothing did. Of an attack that only a higher level holds off, it is
    enough that the sandbox goes on."""
    (case,) = result.cases
    if case.status is Status.SANDBOX_ERROR or case.attempts > 1:
        return f"it reached the worker: {case.detail or f'attempt {case.attempts}'}"
    if isinstance(program, Attack):
        return _trouble_with_attack(program, result) if result.level >= program.since else ""
    if case.status is not Status.OK:
        return f"an honest program ended with {case.status}: {case.detail or case.raised or ''}"
    if isinstance(program, Script):
        return "" if case.stdout == program.stdout else f"printed {case.stdout!r:.80}, not {program.stdout!r:.80}"
    value = values.decode(case.value or b"")
    return "" if value == program.value else f"returned {value!r:.80}, not {program.value!r:.80}"


def _trouble_with_attack(attack: Attack, result: ExecResult) -> str:
    (case,) = result.cases
    if case.status not in attack.status:
        return f"ended with {case.status}, not {' or '.join(attack.status)}: {case.stdout!r:.80} {case.raised or ''}"
    printed = case.stdout.decode(errors="replace").strip()
    if attack.stdout is not None and printed not in attack.stdout:
        return f"printed {printed!r:.80}, not {' or '.join(attack.stdout)}"
    if attack.raises is not None and (case.raised is None or case.raised.type != attack.raises):
        return f"raised {case.raised}, not {attack.raises}"
    return ""


async def selftest(sandbox: Sandbox, programs: Sequence[Program] | None = None) -> dict[str, str]:
    """Run everything side by side, and alone what was out of wall time; the `trouble` with each program, by name."""
    programs = PROGRAMS if programs is None else programs
    results = await sandbox.run([job_of(program) for program in programs])
    found = {}
    for program, result in zip(programs, results, strict=True):
        found[program.name] = trouble(program, result)
        if found[program.name] and result.status is Status.TIMEOUT:  # the machine may be busy
            (again,) = await sandbox.run([job_of(program)])
            found[program.name] = trouble(program, again)
    return found
