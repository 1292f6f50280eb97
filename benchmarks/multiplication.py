"""Is a majority as good as an answer key? Self-Questioning LMs on multiplication. `make bench-multiplication`.

Claim, named beforehand. Metric: pass@1, the share of 500 held-out products (never trained on) that one sample at
temperature 1 gets right, of the policy after the last generation. Arms, 3 seeds each, 60 generations of 64 proposals:

    self_vote        examples/multiplication/recipe.toml: the majority's label, the proposer learns in every 5th update
    oracle           oracle.toml: the same with an answer key
    frozen_proposer  frozen_proposer.toml: the same with the proposer of the beginning
    format_only      format_only.toml: every readable answer earns 1

It holds if, by a paired bootstrap over seeds and then tasks:
    1. self_vote - format_only has its one-sided 95 % lower bound above 0 (the paper: 0.948 against 0.826);
    2. self_vote - warm start has its one-sided 95 % lower bound above 0 (the paper: 0.948 against 0.791).
Reported without a claim: oracle - self_vote (what wrong majorities cost), self_vote - frozen_proposer (the paper: 0.951
against 0.934), greedy answers, how often the label was true. Budget: 20 CPU-minutes. Resumable, see `arms`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arms import Arm, Played, Study, course, difference, marks_of, rates_table

FOLDER = "examples/multiplication"
ARMS = {
    "self_vote": Arm(f"{FOLDER}/recipe.toml"),
    "oracle": Arm(f"{FOLDER}/oracle.toml"),
    "frozen_proposer": Arm(f"{FOLDER}/frozen_proposer.toml"),
    "format_only": Arm(f"{FOLDER}/format_only.toml"),
}
NOTES = ("label_right", "label_gap", "vote_share")
COMMON = [
    "schedule.generations=60", "game.settings.exam_temperature=1.0", "game.settings.exam_size=500",
    "evaluation.every=20", "evaluation.tasks=500", "evaluation.final_tasks=500",
    "health.2.action=warn",
]  # fmt: skip


def main() -> None:
    """Run what is missing, then print and write the table."""
    assert __doc__
    study = Study("multiplication", ARMS, common=COMMON, seeds=3, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "multiplication")


def report(played: Mapping[str, Sequence[Played]]) -> list[str]:
    """The results as Markdown."""
    marks = {arm: marks_of(runs) for arm, runs in played.items()}
    marks["warm start"] = marks_of(next(iter(played.values())), 0)
    lines = [*rates_table(marks, played, ["3x1"]), ""]
    for other, margin, paper in (
        ("format_only", 0.0, "paper +0.12"),
        ("warm start", 0.0, "paper +0.16"),
        ("frozen_proposer", None, "paper +0.02"),
        ("oracle", None, "not in the paper"),
    ):
        if {"self_vote", other} <= marks.keys():
            lines.append(difference(f"self_vote - {other} ({paper})", marks["self_vote"], marks[other], margin))
    for arm, runs in played.items():
        lines.append(f"- {arm}: {', '.join(filter(None, (course(runs, what) for what in NOTES)))}")
    return lines


if __name__ == "__main__":
    main()
