"""Countdown in all four kinds of weights, with one recipe but for one key. `make bench-weights`.

Named beforehand. Metric: held-out solve rate (greedy, 1000 exam puzzles per level, of three numbers 177) after 120
generations, mean over the levels. Arms, 3 seeds each, examples/countdown/recipe.toml but for one key:

    shared            roles.proposer.weights = "shared": proposer and solver are one model
    proposer fork     roles.proposer.weights = "fork": two models (the recipe as it is)
    proposer adapter  roles.proposer.weights = "adapter": the proposer is a LoRA on the base, the solver a whole model
    proposer frozen   roles.proposer.weights = "frozen": the proposer stays what it was
    solver adapter    roles.solver.weights = "adapter": the solver is a LoRA on the base, the proposer a whole model

Claim: every arm is better than the warm start (one-sided 95 % bound above 0); differences from `shared` are reported
with their intervals and claimed by nobody. The learning rate is the recipe's in every arm: adapters usually want a
larger one. About 30 CPU-minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arms import Arm, Played, Study, difference, marks_of, rates_table

RECIPE = "examples/countdown/recipe.toml"
ARMS = {
    "shared": Arm(RECIPE, ["roles.proposer.weights=shared"]),
    "proposer fork": Arm(RECIPE),
    "proposer adapter": Arm(RECIPE, ["roles.proposer.weights=adapter"]),
    "proposer frozen": Arm(RECIPE, ["roles.proposer.weights=frozen"]),
    "solver adapter": Arm(RECIPE, ["roles.solver.weights=adapter"]),
}
COMMON = [
    "schedule.generations=120",
    "game.settings.exam_size=1000",
    "evaluation.final_tasks=1000",
    "evaluation.every=40",
]


def main() -> None:
    """Run what is missing, then print and write the table."""
    assert __doc__
    study = Study("weights", ARMS, common=COMMON, seeds=3, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "countdown")


def report(played: Mapping[str, Sequence[Played]]) -> list[str]:
    """The results as Markdown."""
    marks = {arm: marks_of(runs) for arm, runs in played.items()}
    before = marks_of(next(iter(played.values())), 0)
    lines = [*rates_table({**marks, "warm start": before}, played, ("3", "4", "5")), ""]
    lines += [difference(f"{arm} - warm start", after, before, 0.0) for arm, after in marks.items()]
    lines += [difference(f"{arm} - shared", after, marks["shared"]) for arm, after in marks.items() if arm != "shared"]
    return lines


if __name__ == "__main__":
    main()
