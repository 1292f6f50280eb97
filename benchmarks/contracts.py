"""What does a verdict of the contracts checker cost? CPU milliseconds per proof and per refutation, one core.

    python benchmarks/contracts.py [--runs 7]

All graded problems that ship with the checker: right solutions are to be PROVED, wrong ones REFUTED with a
counterexample that was replayed. Every run decides all of them once, in this process, without a cache; a claim's cost
is its median over the runs, after one run that does not count.

Wanted: a median of at most 30 ms over the proofs, and of at most 10 ms over the refutations.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter

from selfplay.sandbox.checkers.benchmark import load
from selfplay.sandbox.checkers.registry import checker

WANTED_MS = {"PROVED": 30.0, "REFUTED": 10.0}


def main() -> None:
    """Decide everything, and print one line for each kind of verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    contracts = checker("contracts")
    problems = load()
    claims = [(place == 0, claim) for graded in problems for place, claim in enumerate(graded.claims())]
    costs: list[list[float]] = [[] for _ in claims]
    verdicts: list[str] = []
    for run in range(args.runs + 1):
        verdicts = []
        for (_, claim), cost in zip(claims, costs, strict=True):
            start = time.process_time()
            verdicts.append(str(contracts.check(claim).status))
            if run:
                cost.append((time.process_time() - start) * 1000)
    print(f"{len(problems)} problems in {len({graded.family for graded in problems})} families")
    for right, wanted in ((True, "PROVED"), (False, "REFUTED")):
        found = Counter(status for (is_right, _), status in zip(claims, verdicts, strict=True) if is_right == right)
        of_kind = [cost for (is_right, _), cost in zip(claims, costs, strict=True) if is_right == right]
        medians = sorted(map(statistics.median, of_kind))
        print(
            f"{'right' if right else 'wrong'} solutions: {dict(found)}; median {statistics.median(medians):.1f} ms "
            f"(wanted {WANTED_MS[wanted]:g}), nine in ten below {medians[int(len(medians) * 0.9)]:.0f} ms, "
            f"at most {medians[-1]:.0f} ms; medians of {args.runs} runs"
        )


if __name__ == "__main__":
    main()
