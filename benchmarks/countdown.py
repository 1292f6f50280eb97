"""Does self-play on Countdown make a model better, and is the proposer worth having? `make bench-countdown`.

Claim, named beforehand. Metric: held-out solve rate (greedy, 1000 exam puzzles per level, never trained on; of three
numbers there are 177) of the policy after the last generation, mean over the levels 3, 4 and 5. Arms, 5 seeds each,
equal answers by solvers (a generation of proposals is larger than one of random puzzles by what is illegal or held
out):

    selfplay  the default recipe, examples/countdown/recipe.toml
    random    the same, but the puzzles are random instead of proposed
    naive     examples/countdown/naive.toml: no anchors, the proposer picks the size. As shipped its canary stops the
              run; here the canary only warns, so that the arm gets its share of answers

It holds if, by a paired bootstrap over seeds and then tasks:
    1. selfplay - random has its one-sided 95 % lower bound above -0.02;
    2. selfplay / warm start - 1 has a mean of at least +35 % and a 95 % interval that excludes +15 %;
    3. no level's paired difference selfplay - warm start has its 95 % upper bound below 0.
selfplay - naive is reported with its interval, and when the canary would have stopped naive.

Resumable: every arm and seed is a run under `--root`; finished ones are read, unfinished ones resumed. Two processes of
one thread each work at a time by default.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfplay.record.folder import RunFolder
from selfplay.record.info import git_state
from selfplay.record.run import Run

HERE = Path(__file__).resolve().parent.parent
RECIPES = HERE / "examples" / "countdown"
ARMS: dict[str, tuple[str, list[str]]] = {
    "selfplay": ("recipe.toml", []),
    "random": ("recipe.toml", ["roles.proposer.player=random", "schedule.matches=64"]),
    "naive": ("naive.toml", ["health.0.action=warn"]),
}
EXAM = ["game.settings.exam_size=1000", "evaluation.final_tasks=1000"]
"""With 150 puzzles per level the exam's own chance is as large as the difference between two arms."""
LEVELS = ("3", "4", "5")
RESAMPLES = 4000
Marks = list[NDArray[np.float64]]
"""For each level (seeds, tasks): 1 where solved. Levels may differ in their number of tasks."""


class Result(NamedTuple):
    """One finished run."""

    before: list[list[int]]
    after: list[list[int]]
    wall_s: float
    cpu_s: float
    solver_moves: int
    warned: int | None
    """Generation in which a rule over the canary first fired."""


def main() -> None:
    """Run what is missing, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=HERE / "runs" / "bench-countdown")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--set", dest="extra", action="append", default=[], help="recipe override for every arm")
    parser.add_argument("--deadline-s", type=float, default=float("inf"), help="stop (resumable) after this long")
    parser.add_argument("--write", type=Path, default=None, help="results page to update between its markers")
    args = parser.parse_args()
    arms = args.arms.split(",")
    args.root.mkdir(parents=True, exist_ok=True)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    jobs = [(arm, seed) for seed in seeds for arm in arms]
    deadline = time.monotonic() + args.deadline_s
    with ThreadPoolExecutor(args.processes) as pool:
        list(pool.map(lambda job: _play(args.root, *job, args.extra, deadline), jobs))
    results = {arm: [_read(args.root, arm, seed) for seed in seeds] for arm in arms}
    if any(result is None for runs in results.values() for result in runs):
        sys.exit("not all runs are finished: run the same command again to go on")
    page = report({arm: [r for r in runs if r] for arm, runs in results.items()}, seeds)
    print(page)
    if args.write:
        _replace(args.write, page)


def _play(root: Path, arm: str, seed: int, extra: list[str], deadline: float) -> None:
    """Bring one run to its end, in a process of its own, and note the CPU time."""
    home = root / f"{arm}-{seed}"
    cpu_file = root / f"{arm}-{seed}.json"
    if _read(root, arm, seed) is not None or time.monotonic() > deadline:
        return
    recipe, overrides = ARMS[arm]
    sets = [*EXAM, *overrides, f"seed={seed}", "policy.threads=1", *extra]
    command = [sys.executable, "-m", "selfplay", "league", str(RECIPES / recipe), "--no-live"]
    command += [part for override in sets for part in ("--set", override)]
    unfinished = next(iter(sorted(home.glob("*/run.json"))), None)
    command += ["--root", str(home), "--name", f"{arm}-{seed}"]
    if unfinished is not None:
        command += ["--resume", str(unfinished.parent)]
    start = time.monotonic()
    with (root / f"{arm}-{seed}.log").open("a") as log:
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=HERE, env=env)
        status, usage = _wait(process, deadline)
    spent = json.loads(cpu_file.read_text()) if cpu_file.exists() else {"cpu_s": 0.0, "wall_s": 0.0}
    spent["cpu_s"] += usage
    spent["wall_s"] += time.monotonic() - start
    cpu_file.write_text(json.dumps(spent))
    print(f"{arm} seed {seed}: exit {status}, {spent['cpu_s']:.0f} CPU s, {spent['wall_s']:.0f} s", flush=True)


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


def _read(root: Path, arm: str, seed: int) -> Result | None:
    """The result of a run, if it has one."""
    found = sorted((root / f"{arm}-{seed}").glob("*/run.json"))
    spent = root / f"{arm}-{seed}.json"
    if not found or not spent.exists():
        return None
    run = Run(RunFolder(found[0].parent))
    if run.status() != "done":
        return None
    canaries = list(run.events("canary"))
    before, after = ([level["solved"] for level in event["levels"].values()] for event in (canaries[0], canaries[-1]))
    time_spent = json.loads(spent.read_text())
    answers = sum(m.get("moves", 0) for m in (line["roles"].get("solver", {}) for line in run.metrics()))
    warned = next((int(event["generation"]) for event in run.events("alarm")), None)
    return Result(before, after, time_spent["wall_s"], time_spent["cpu_s"], int(answers), warned)


def marks_of(results: list[list[list[int]]]) -> Marks:
    """Of one arm: what every seed solved at every level."""
    return [np.array(level, float) for level in zip(*results, strict=True)]


def mean(marks: Marks) -> float:
    """Over the levels, each counting alike."""
    return float(np.mean([level.mean() for level in marks]))


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


def report(results: dict[str, list[Result]], seeds: range) -> str:
    """The results as Markdown."""
    marks = {arm: marks_of([r.after for r in runs]) for arm, runs in results.items()}
    marks["warm start"] = marks_of([r.before for r in next(iter(results.values()))])
    lines = [
        "| arm | level 3 | level 4 | level 5 | mean | per seed | CPU min / run | answers / run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm, m in marks.items():
        runs = results.get(arm)
        rates, of_seed = [level.mean() for level in m], np.mean([level.mean(axis=1) for level in m], axis=0)
        cost = (
            f"{np.mean([r.cpu_s for r in runs]) / 60:.1f} | {np.mean([r.solver_moves for r in runs]):.0f}"
            if runs
            else "- | -"
        )
        per_seed = " ".join(f"{s:.3f}" for s in of_seed) if runs else "the same model"
        lines.append(f"| {arm} | {' | '.join(f'{r:.3f}' for r in rates)} | {mean(m):.3f} | {per_seed} | {cost} |")
    lines += ["", *_verdicts(marks)]
    if "naive" in results:
        warned = [f"after generation {r.warned}" if r.warned is not None else "not at all" for r in results["naive"]]
        lines.append(f"- naive's canary, which stops the recipe as shipped, fired: {', '.join(warned)}")
    state = git_state(HERE) or {}
    wall = sum(r.wall_s for runs in results.values() for r in runs)
    cpu = sum(r.cpu_s for runs in results.values() for r in runs)
    card = json.loads((HERE / "selfplay/tiny/models/countdown/card.json").read_text())
    lines += [
        "",
        f"Seeds {seeds.start}-{seeds.stop - 1}; {wall / 60:.0f} minutes of wall time summed over runs, "
        f"{cpu / 60:.0f} CPU-minutes; one torch thread per run, two runs at a time; {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}; "
        f"tiny model sha256 `{card['sha256'][:12]}`; commit `{str(state.get('commit'))[:10]}`.",
    ]
    return "\n".join(lines)


def _verdicts(marks: dict[str, Marks]) -> list[str]:
    lines = []
    draws = resampled(*marks.values())
    means = dict(zip(marks, np.moveaxis(draws.mean(axis=2), 1, 0), strict=True))
    rate = {arm: mean(m) for arm, m in marks.items()}
    for other, margin in (("random", -0.02), ("naive", 0.0)):
        if other in marks:
            difference = means["selfplay"] - means[other]
            low, lower, upper = np.percentile(difference, [5, 2.5, 97.5])
            holds = f"one-sided 95 % lower bound {low:+.3f}, margin {margin:+.2f}: {_word(low > margin)}"
            lines.append(
                f"- selfplay - {other}: {rate['selfplay'] - rate[other]:+.3f} [{lower:+.3f}, {upper:+.3f}]; {holds}"
            )
    gain = means["selfplay"] / means["warm start"] - 1
    lower, upper = np.percentile(gain, [2.5, 97.5])
    more = rate["selfplay"] / rate["warm start"] - 1
    lines.append(
        f"- selfplay / warm start - 1: {more:+.1%} [{lower:+.1%}, {upper:+.1%}]; {_word(more >= 0.35 and lower > 0.15)}"
    )
    arms = list(marks)
    difference = draws[:, arms.index("selfplay")] - draws[:, arms.index("warm start")]
    for level, size in enumerate(LEVELS):
        lower, upper = np.percentile(difference[:, level], [2.5, 97.5])
        lines.append(f"- level {size}, selfplay - warm start: [{lower:+.3f}, {upper:+.3f}]; {_word(upper >= 0)}")
    return lines


def _word(holds: bool) -> str:
    return "**holds**" if holds else "**does not hold**"


def _replace(page: Path, text: str) -> None:
    """Put the report between the markers of a results page."""
    begin, end = "<!-- bench-countdown -->", "<!-- /bench-countdown -->"
    old = page.read_text()
    head, _, rest = old.partition(begin)
    _, _, tail = rest.partition(end)
    page.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


if __name__ == "__main__":
    main()
