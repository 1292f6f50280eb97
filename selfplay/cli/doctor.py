"""`selfplay doctor`: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, Root, command, new_app
from selfplay.errors import MissingExtra, RunError

app = new_app()

EXTRAS = {
    "hf": "play with models",
    "train": "learn",
    "export": "export to parquet",
    "api": "play with endpoints",
    "docker": "run programs in containers",
    "serve": "lend this machine's sandbox to others",
    "formal": "prove",
    "crosshair": "get a second opinion on proofs",
}
"""The extras of pyproject.toml and what they are for."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*(?:; *extra *== *['\"](\w+)['\"])?")
GB = 1 << 30


class Health(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    """Something optional is missing or scarce."""
    FIX = "fix"
    """Nothing works, or not safely, until this is fixed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    health: Health
    found: str
    advice: str = ""
    """What to do; empty where all is well."""


@command(app, examples=("selfplay doctor", "selfplay doctor --json | jq '.findings[] | select(.health != \"ok\")'"))
def doctor(
    root: Root = Path("runs"),
    clean: Annotated[bool, typer.Option("--clean", help="Remove containers that ended runs have left behind.")] = False,
    json: JsonFlag = False,
) -> None:
    """Check this machine: Python, packages, GPU, memory, disk, and what killed runs have left behind.

    Exit code 1 if something must be fixed before anything works.
    """
    findings = list(examine(root, clean=clean))
    sound = all(finding.health is not Health.FIX for finding in findings)
    if json:
        screen.json({"ok": sound, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    raise typer.Exit(0 if sound else 1)


def examine(root: Path, *, clean: bool = False) -> Iterator[Finding]:
    """All findings; `root` is where runs are kept. With `clean`, what can be removed without a loss is."""
    yield Finding("python", Health.OK, f"{platform.python_version()} at {sys.executable}")
    yield from _packages()
    yield _provers()
    yield from _torch()
    yield _memory()
    yield from _disk(root)
    yield from _runs(root)
    yield from _containers(clean=clean)


def _print(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    style = {Health.OK: "green", Health.NOTE: "yellow", Health.FIX: "bold red"}
    grid = Table.grid(padding=(0, 2))
    for finding in findings:
        what = Text(finding.found)
        if finding.advice:
            what.append(f"\n{finding.advice}", "bold" if finding.health is Health.FIX else "dim")
        word = finding.health.upper() if finding.health is Health.FIX else finding.health.value
        grid.add_row(Text(word, style[finding.health]), Text(finding.name), what)
    screen.out().print(grid)


def _packages() -> Iterator[Finding]:
    wanted: dict[str, list[str]] = {"": [], **{extra: [] for extra in EXTRAS}}
    for requirement in metadata.requires("selfplay") or []:
        match = _REQUIREMENT.match(requirement)
        if match and (match[2] or "") in wanted and match[1] != "selfplay":
            wanted[match[2] or ""].append(match[1])
    for extra, names in wanted.items():
        versions = {name: _version(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        found = " ".join(f"{name} {version}" for name, version in versions.items() if version)
        label = f"[{extra}]" if extra else "selfplay"
        if not missing:
            yield Finding(label, Health.OK, found)
            continue
        purpose = f" to {EXTRAS[extra]}" if extra else ""
        advice = f"pip install 'selfplay[{extra}]'{purpose}" if extra else "pip install --force-reinstall selfplay"
        yield Finding(label, Health.NOTE if extra else Health.FIX, f"missing: {', '.join(missing)}", advice)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _provers() -> Finding:
    """Programs that some checkers use, all of them optional."""
    programs = ("coqc", "dafny", "verus", "why3")
    there = [program for program in programs if shutil.which(program)]
    missing = ", ".join(program for program in programs if program not in there)
    advice = f"optional: {missing}; docs/checkers.md says what for" if missing else ""
    return Finding("provers", Health.OK, " ".join(there) or "none installed", advice)


def _torch() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        import torch
    except ImportError:
        yield Finding("processor", Health.OK, f"{cores} cores")
        return
    yield Finding("processor", Health.OK, f"{cores} cores, of which torch uses {torch.get_num_threads()}")
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(i)
            yield Finding("GPU", Health.OK, f"cuda:{i} {properties.name}, {properties.total_memory / GB:.0f} GB")
    elif torch.backends.mps.is_available():
        yield Finding("GPU", Health.OK, "mps")
    else:
        advice = "fine for the tiny models and games; larger models want one"
        if torch.version.cuda is None and shutil.which("nvidia-smi"):
            advice = "there is an NVIDIA GPU, but this torch is a CPU build: see https://pytorch.org/get-started"
        yield Finding("GPU", Health.NOTE, "none that torch can use", advice)


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = _available_memory() or total
    found = f"{free / GB:.1f} of {total / GB:.1f} GB free"
    if free < 2 * GB:
        return Finding("memory", Health.NOTE, found, "training the tiny models takes about 2 GB; close something")
    return Finding("memory", Health.OK, found)


def _available_memory() -> int | None:
    """Bytes that can be had without swapping, where the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


def _disk(root: Path) -> Iterator[Finding]:
    place = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / GB:.1f} GB free for {root}"
    if free < GB // 4:
        yield Finding("disk", Health.FIX, found, "free some space, or keep runs elsewhere with --root")
    elif free < 2 * GB:
        yield Finding("disk", Health.NOTE, found, "logs of a long run take a few GB; `--dry-run` estimates them")
    else:
        yield Finding("disk", Health.OK, found)
    if not os.access(place, os.W_OK):
        yield Finding("disk", Health.FIX, f"{place} is read-only", "choose another place with --root")


def _runs(root: Path) -> Iterator[Finding]:
    from selfplay.record import Run, list_runs

    runs = [(Run(folder), info) for folder, info in list_runs(root)]
    states = [run.status() for run, _ in runs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    yield Finding("runs", Health.OK, f"{len(runs)} in {root}: {counts}" if runs else f"none in {root} yet")
    for (run, info), state in zip(runs, states, strict=True):
        if state == "killed":
            advice = f"selfplay league --resume {run.folder.handle}    or delete {run.path}"
            yield Finding("runs", Health.NOTE, f"{info.id} ({info.name}) was killed", advice)
    for folder in sorted(Path(root).glob("*/.*.tmp")):
        yield Finding("runs", Health.NOTE, f"half a file is left: {folder}", "delete it, unless its run is going on")


def _containers(*, clean: bool) -> Iterator[Finding]:
    from selfplay.sandbox.containers.engine import connect, left_over, remove_left_over

    try:
        engine = connect()
        removed = remove_left_over(engine) if clean else 0
        left = len(left_over(engine))
        engine.close()
    except MissingExtra:
        return  # said above
    except (RunError, OSError) as error:
        advice = "needed for the docker sandbox only; start docker, or set DOCKER_HOST"
        yield Finding("containers", Health.NOTE if clean else Health.OK, str(error).splitlines()[0], advice)
        return
    if removed:
        yield Finding("containers", Health.OK, f"{removed} of ended runs removed")
    if left:
        yield Finding("containers", Health.NOTE, f"{left} of ended runs are left", "selfplay doctor --clean")
    elif not removed:
        yield Finding("containers", Health.OK, "none is left of ended runs")
