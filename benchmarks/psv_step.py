"""What does the verifier cost a step of Propose, Solve, Verify? Seconds for 64 contracts with 8 solutions each.

    python benchmarks/psv_step.py [--workers 2] [--runs 3]

Contracts: the graded problems that ship with the checker (loops, lists, recursion), filled up to 64 with short ones of
the game. Solutions as a model writes them: half of them right, and so the same, the others known wrong ones or mutants.
A step examines all contracts and then judges all solutions, equal claims once; *again* is the same step with the
verdicts remembered.

Wanted: at most 20 s of wall time on 2 idle cores, with the workers busy 90 % of the time. CPU seconds are those of the
workers, their start included.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from collections import Counter
from collections.abc import Sequence

from selfplay import seeds
from selfplay.envs.contract_families import LEVELS, sample
from selfplay.envs.propose_solve_verify import body
from selfplay.sandbox.checkers import Claim, Pool
from selfplay.sandbox.checkers.benchmark import load
from selfplay.sandbox.mutants import mutants
from selfplay.types import Json

CONTRACTS, SOLUTIONS = 64, 8
WANTED_S, WANTED_BUSY = 20.0, 0.9


def step(rng: random.Random) -> tuple[list[Claim], list[Claim]]:
    """The claims about contracts, and those about solutions."""
    posed: list[tuple[dict[str, Json], str, Sequence[str]]] = [
        (graded.problem.to_json(), graded.solution, graded.wrong) for graded in load()
    ]
    for i in range(CONTRACTS - len(posed)):
        one = sample(rng, LEVELS[i % len(LEVELS)])
        posed.append((one.contract.problem(), body(f"return {one.solution}"), ()))
    contracts = [Claim("contracts", "specification", {"problem": problem}) for problem, _, _ in posed[:CONTRACTS]]
    solutions = []
    for problem, right, wrong in posed[:CONTRACTS]:
        others = [*wrong, *(mutant.source for mutant in mutants(right))]
        for _ in range(SOLUTIONS):
            text = right if rng.random() < 0.5 or not others else rng.choice(others)
            solutions.append(Claim("contracts", "solution", {"problem": problem, "solution": text}))
    rng.shuffle(solutions)
    return contracts, solutions


def main() -> None:
    """Time the step, and the same step again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    contracts, solutions = step(seeds.rng(0, "psv step"))
    unique = len({claim.key("") for claim in solutions})
    times: dict[str, list[float]] = {"step": [], "again": [], "cpu": [], "busy": []}
    for _ in range(args.runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with Pool(args.workers) as pool:
            for name in ("step", "again"):
                start = time.perf_counter()
                lint = pool.check_many(contracts)
                found = pool.check_many(solutions)
                times[name].append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times["cpu"].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        times["busy"].append(times["cpu"][-1] / args.workers / (times["step"][-1] + times["again"][-1]))
    wall = statistics.median(times["step"])
    print(f"{len(contracts)} contracts, {len(solutions)} solutions, {unique} of them different; {args.workers} workers")
    print(f"contracts {dict(Counter(str(verdict.status) for verdict in lint))}")
    print(f"solutions {dict(Counter(str(verdict.status) for verdict in found))}")
    print(f"step {wall:.1f} s (wanted {WANTED_S:g}), workers' CPU {statistics.median(times['cpu']):.1f} s", end="; ")
    print(f"again {statistics.median(times['again']):.3f} s; medians of {args.runs}")
    print(f"workers busy {statistics.median(times['busy']):.0%} of the time (wanted {WANTED_BUSY:.0%})")


if __name__ == "__main__":
    main()
