"""Learning benchmarks: arms x seeds, each one a run of its own, compared by a paired bootstrap.

A benchmark names its claim in its docstring before it is run (metric, margin, arms, seeds, budget), makes a `Study`,
calls `play` and turns the runs into lines of Markdown, which `publish` prints and writes between the markers
``<!-- bench-NAME -->`` of docs/results.md.

Resumable: finished runs under ``--root`` are read, unfinished ones resumed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfplay.record.folder import RunFolder
from selfplay.record.info import git_state
from selfplay.record.run import Run

HERE = Path(__file__).resolve().parent.parent
RESAMPLES = 4000
Marks = list[NDArray[np.float64]]
"""For each level (seeds, tasks): 1 where solved. Levels may differ in their number of tasks."""


class Arm(NamedTuple):
    """One way to learn."""

    recipe: str
    """Path below the project's root."""
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Played:
    """A finished run of one arm with one seed."""

    run: Run
    seed: int
    wall_s: float
    cpu_s: float

    def canary(self, which: int = -1) -> dict[str, list[int]]:
        """Level -> what was solved in one of the run's exams: -1 the last, 0 the one before the first generation."""
        exam = list(self.run.events("canary"))[which]
        return {level: marks["solved"] for level, marks in exam["levels"].items()}

    def moves(self, role: str) -> int:
        """How many moves a role made in the whole run."""
        return int(sum(line["roles"].get(role, {}).get("moves", 0) for line in self.run.metrics()))


class Study:
    """Arms to compare.

    Args:
        name: of the benchmark; its runs lie in ``runs/bench-NAME``.
        arms: name -> arm.
        common: overrides for every arm.
        seeds: how many, from 0.
        about: the first line of ``--help``.
    """

    def __init__(
        self, name: str, arms: Mapping[str, Arm], *, common: Sequence[str] = (), seeds: int = 3, about: str = ""
    ) -> None:
        self.name, self.arms, self.common = name, dict(arms), list(common)
        parser = argparse.ArgumentParser(description=about)
        parser.add_argument("--root", type=Path, default=HERE / "runs" / f"bench-{name}")
        parser.add_argument("--seeds", type=int, default=seeds)
        parser.add_argument("--first-seed", type=int, default=0)
        parser.add_argument("--processes", type=int, default=2)
        parser.add_argument("--arms", default=",".join(arms))
        parser.add_argument("--set", dest="extra", action="append", default=[], help="recipe override for every arm")
        parser.add_argument("--deadline-s", type=float, default=float("inf"), help="stop (resumable) after this long")
        parser.add_argument("--write", type=Path, default=None, help="results page to update between its markers")
        self.args = parser.parse_args()
        self.seeds = range(self.args.first_seed, self.args.first_seed + self.args.seeds)

    def play(self) -> dict[str, list[Played]]:
        """Run what is missing; arm -> its runs, one per seed. Exits if the deadline left something unfinished."""
        names = self.args.arms.split(",")
        self.args.root.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self.args.deadline_s
        with ThreadPoolExecutor(self.args.processes) as pool:
            jobs = [(arm, seed) for seed in self.seeds for arm in names]
            list(pool.map(lambda job: self._work(*job, deadline), jobs))
        played = {arm: [self._read(arm, seed) for seed in self.seeds] for arm in names}
        if any(run is None for runs in played.values() for run in runs):
            sys.exit("not all runs are finished: run the same command again to go on")
        return {arm: [run for run in runs if run] for arm, runs in played.items()}

    def publish(self, lines: Sequence[str], played: Mapping[str, Sequence[Played]], family: str) -> None:
        """Print the report and, with ``--write``, put it between its markers of the results page."""
        runs = [run for arm in played.values() for run in arm]
        wall, cpu = sum(r.wall_s for r in runs) / 60, sum(r.cpu_s for r in runs) / 60
        card = json.loads((HERE / "selfplay/tiny/models" / family / "card.json").read_text())
        state = git_state(HERE) or {}
        text = "\n".join(
            [
                *lines,
                "",
                f"Seeds {self.seeds.start}-{self.seeds.stop - 1}; {wall:.0f} minutes of wall time summed over runs, "
                f"{cpu:.0f} CPU-minutes; one torch thread per run, {self.args.processes} at a time; "
                f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; tiny model sha256 "
                f"`{card['sha256'][:12]}`; commit `{str(state.get('commit'))[:10]}`.",
            ]
        )
        print(text)
        if self.args.write:
            _replace(self.args.write, self.name, text)

    def _work(self, arm: str, seed: int, deadline: float) -> None:
        """Bring one run to its end, in a process of its own, and note the CPU time."""
        home, notes = self._home(arm, seed), self._notes(arm, seed)
        if self._read(arm, seed) is not None or time.monotonic() > deadline:
            return
        recipe, overrides = self.arms[arm]
        sets = [*self.common, *overrides, f"seed={seed}", "policy.threads=1", *self.args.extra]
        command = [sys.executable, "-m", "selfplay", "league", str(HERE / recipe), "--no-live"]
        command += [part for override in sets for part in ("--set", override)]
        command += ["--root", str(home), "--name", home.name]
        if unfinished := sorted(home.glob("*/run.json")):
            command += ["--resume", str(unfinished[0].parent)]
        start = time.monotonic()
        with home.with_suffix(".log").open("a") as log:
            env = {**os.environ, "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=HERE, env=env)
            status, usage = _wait(process, deadline)
        spent = json.loads(notes.read_text()) if notes.exists() else {"cpu_s": 0.0, "wall_s": 0.0}
        spent["cpu_s"] += usage
        spent["wall_s"] += time.monotonic() - start
        notes.write_text(json.dumps(spent))
        print(f"{arm} seed {seed}: exit {status}, {spent['cpu_s']:.0f} CPU s, {spent['wall_s']:.0f} s", flush=True)

    def _read(self, arm: str, seed: int) -> Played | None:
        """A run that has ended, by itself or by a health rule."""
        found, notes = sorted(self._home(arm, seed).glob("*/run.json")), self._notes(arm, seed)
        if not found or not notes.exists():
            return None
        run = Run(RunFolder(found[0].parent))
        if run.status() != "done" and not any(event["action"] == "stop" for event in run.events("alarm")):
            return None
        spent = json.loads(notes.read_text())
        return Played(run, seed, spent["wall_s"], spent["cpu_s"])

    def _home(self, arm: str, seed: int) -> Path:
        return Path(self.args.root / f"{arm.replace(' ', '-')}-{seed}")

    def _notes(self, arm: str, seed: int) -> Path:
        return self._home(arm, seed).with_suffix(".json")


def _wait(process: subprocess.Popen[bytes], deadline: float) -> tuple[int, float]:
    """Exit status and CPU seconds; past the deadline the run is killed, which loses nothing."""
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        if time.monotonic() > deadline:
            process.kill()
            deadline = float("inf")
        time.sleep(0.2)


def marks_of(runs: Sequence[Played], which: int = -1) -> Marks:
    """What the runs of one arm solved in one of their exams, level by level."""
    exams = [run.canary(which) for run in runs]
    return [np.array([exam[level] for exam in exams], float) for level in exams[0]]


def mean(marks: Marks) -> float:
    """Over the levels, each counting alike."""
    return float(np.mean([level.mean() for level in marks]))


def per_seed(marks: Marks) -> NDArray[np.float64]:
    """(seeds,) mean over the levels."""
    return np.asarray(np.mean([level.mean(axis=1) for level in marks], axis=0))


def resampled(*arms: Marks) -> NDArray[np.float64]:
    """(RESAMPLES, arms, levels): solve rates under a bootstrap over seeds, then tasks, the same draws for every arm."""
    seeds = len(arms[0][0])
    chance = np.random.default_rng(0)
    out = np.empty((RESAMPLES, len(arms), len(arms[0])))
    for i in range(RESAMPLES):
        who = chance.integers(seeds, size=seeds)
        for level, first in enumerate(arms[0]):
            which = chance.integers(first.shape[1], size=first.shape)
            for a, marks in enumerate(arms):
                out[i, a, level] = np.take_along_axis(marks[level][who], which, axis=1).mean()
    return out


def seed_interval(
    values: Sequence[float] | NDArray[np.float64], statistic: Callable[..., NDArray[np.float64]] = np.mean
) -> tuple[float, float]:
    """95 % bootstrap interval over seeds, for numbers that have no tasks: (low, high)."""
    data = np.asarray(values, float)
    draws = np.random.default_rng(0).choice(data, size=(RESAMPLES, len(data)))
    low, high = np.percentile(statistic(draws, axis=1), [2.5, 97.5])
    return float(low), float(high)


def rates_table(marks: Mapping[str, Marks], played: Mapping[str, Sequence[Played]], levels: Sequence[str]) -> list[str]:
    """A Markdown table: solve rates per level, their mean, per seed, and what a run cost."""
    lines = [
        f"| arm | {' | '.join(f'level {level}' for level in levels)} | mean | per seed | CPU min / run |",
        "|---" * (len(levels) + 4) + "|",
    ]
    for arm, m in marks.items():
        runs = played.get(arm)
        seeds = " ".join(f"{s:.3f}" for s in per_seed(m)) if runs else "the same model"
        cost = f"{np.mean([r.cpu_s for r in runs]) / 60:.1f}" if runs else "-"
        lines.append(f"| {arm} | {' | '.join(f'{r.mean():.3f}' for r in m)} | {mean(m):.3f} | {seeds} | {cost} |")
    return lines


def difference(name: str, a: Marks, b: Marks, margin: float | None = None) -> str:
    """One line: mean difference of two arms, its 95 % interval, and whether its one-sided bound clears `margin`."""
    draws = resampled(a, b).mean(axis=2)
    low, lower, upper = np.percentile(draws[:, 0] - draws[:, 1], [5, 2.5, 97.5])
    line = f"- {name}: {mean(a) - mean(b):+.3f} [{lower:+.3f}, {upper:+.3f}]"
    if margin is None:
        return line
    return f"{line}; one-sided 95 % lower bound {low:+.3f}, margin {margin:+.2f}: {holds(low > margin)}"


def course(runs: Sequence[Played], what: str) -> str:
    """A note in the first and in the last ten generations (of short runs a third of them all), averaged over the runs;
    empty where the arm has none."""
    series = np.array([[line["notes"].get(what, np.nan) for line in run.run.metrics()] for run in runs])
    if np.isnan(series).all():
        return ""
    some = min(10, max(1, series.shape[1] // 3))
    return f"{what} {np.nanmean(series[:, :some]):.2f} -> {np.nanmean(series[:, -some:]):.2f}"


def holds(yes: bool) -> str:
    """The verdict on a claim."""
    return "**holds**" if yes else "**does not hold**"


def _replace(page: Path, name: str, text: str) -> None:
    """Put a report between the markers of a results page."""
    begin, end = f"<!-- bench-{name} -->", f"<!-- /bench-{name} -->"
    old = page.read_text()
    if begin not in old or end not in old:
        sys.exit(f"{page} has no place for this report: add the lines {begin} and {end}")
    head, _, rest = old.partition(begin)
    _, _, tail = rest.partition(end)
    page.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
