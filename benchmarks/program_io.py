"""Does a model that proposes its own programs learn to solve unseen ones? `make bench-program_io`.

Claim, named beforehand. Metric: share of held-out problems (about functions that no demonstration and no proposal
that teaches ever shows; 60 of each kind) that one greedy answer solves after the last generation, mean over
deduction, abduction and induction. Arms, 3 seeds each, equal matches:

    selfplay          examples/program_io/recipe.toml (Absolute Zero, arXiv 2505.03335)
    frozen_proposer   frozen_proposer.toml: the same with the proposer of the beginning

It holds if the 95 % interval of selfplay - base, by a paired bootstrap over seeds and then problems, lies above 0.
Reported without a claim: selfplay - frozen_proposer (the paper's ablation without a trained proposer: -1.4 points on
average), each kind by itself, the share of proposals that could be used and what the proposer earned.

Resumable, see `arms`. Budget: 30 CPU-minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arms import Arm, Played, Study, course, difference, marks_of, rates_table

FOLDER = "examples/program_io"
ARMS = {
    "selfplay": Arm(f"{FOLDER}/recipe.toml"),
    "frozen_proposer": Arm(f"{FOLDER}/frozen_proposer.toml"),
}
NOTES = ("usable", "deduction", "abduction", "induction")


def main() -> None:
    """Run what is missing, then print and write the table."""
    assert __doc__
    study = Study("program_io", ARMS, seeds=3, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "program_io")


def report(played: Mapping[str, Sequence[Played]]) -> list[str]:
    """The results as Markdown."""
    some = next(iter(played.values()))
    marks = {arm: marks_of(runs) for arm, runs in played.items()}
    marks["base"] = marks_of(some, 0)
    lines = [*rates_table(marks, played, list(some[0].canary())), ""]
    for one, other in (("selfplay", "base"), ("selfplay", "frozen_proposer"), ("frozen_proposer", "base")):
        if {one, other} <= marks.keys():
            lines.append(difference(f"{one} - {other}", marks[one], marks[other]))
    for arm, runs in played.items():
        lines.append(f"- {arm}: {', '.join(filter(None, (course(runs, what) for what in NOTES)))}")
    return lines


if __name__ == "__main__":
    main()
