"""Search agents without data: are labels from the document better than votes, and does HRPO do with one proposal per
document? `make bench-search_agent`.

Claims, named beforehand. Held out is the truth: no reward looks at it. Exams are answered greedily, 3 seeds per arm, at
most 16 CPU-minutes together. Recipes were tried on seeds 0, 100 and 101; judged are seeds 10-12 (``--first-seed 10``).

DARC. Metric: share of questions about the whole world answered from memory (72 of one hop, 72 of two; mean) after the
last generation. Arms, equal matches, answers and updates:

    darc   examples/search_agent/darc.toml: the teacher reads the document
    vote   the same, but the majority of the answers themselves is the label

It holds if the one-sided 95 % lower bound of darc - vote is above 0 (paired bootstrap over seeds, then questions).
Reported besides: how often labels are true while the solver learns. The paper's direction: labels with the document are
more precise than self-votes, and the solver gets better (average over 9 benchmarks 41.9 -> 52.2 for Qwen3-4B).

HRPO. Metrics: share of held-out questions solved by search (60 for each number of hops, mean) after the last
generation, and what proposals earn for their difficulty in the last 5 generations in which the proposer learns. Arms,
equal samples of the solver:

    hrpo   examples/search_agent/hrpo.toml: one proposal for each of 32 documents, a baseline per class of hops
    grpo   the same, but four proposals for each of 8 documents, compared with each other

It holds if the one-sided 95 % lower bound of hrpo - grpo in the exam is above -0.05. The paper's claim is that HRPO is
as good without the nested sampling; with equal samples that leaves it more documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from arms import Arm, Played, Study, difference, marks_of, rates_table, seed_interval

DARC, HRPO = "examples/search_agent/darc.toml", "examples/search_agent/hrpo.toml"
ARMS = {
    "darc": Arm(DARC),
    "vote": Arm(DARC, ["game.settings.labels=vote"]),
    "hrpo": Arm(HRPO),
    "grpo": Arm(HRPO, ["game.settings.compare=documents", "roles.proposer.credit=group_zscore", "schedule.replicas=4"]),
}
LAST = 5
"""Generations over which what proposals earn is averaged."""
Runs = Mapping[str, Sequence[Played]]


def noted(run: Played, name: str, phase: str) -> list[float]:
    """A note's mean in each generation of the phases whose name begins so."""
    begins = [(event["generation"], event["name"].startswith(phase)) for event in run.run.events("phase")]
    lines = ((line["generation"], line.get("notes", {}).get(name)) for line in run.run.metrics())
    return [
        value
        for generation, value in lines
        if value is not None and max((g, yes) for g, yes in begins if g <= generation)[1]
    ]


def compared(played: Runs, one: str, other: str, margin: float) -> list[str]:
    """Table and verdict of two arms with the same exam."""
    arms = {arm: played[arm] for arm in (one, other) if arm in played}
    if len(arms) < 2:
        return []
    marks = {arm: marks_of(runs) for arm, runs in arms.items()}
    marks["warm start"] = marks_of(arms[one], 0)
    levels = list(arms[one][0].canary())
    return [
        *rates_table(marks, arms, levels),
        "",
        difference(f"{one} - {other}", marks[one], marks[other], margin),
        difference(f"{one} - warm start", marks[one], marks["warm start"]),
        difference(f"{other} - warm start", marks[other], marks["warm start"]),
    ]


def means(played: Runs, arms: Sequence[str], what: str, name: str, phase: str, last: int = 0) -> list[str]:
    """One line per arm: the mean of a note, per seed and over seeds."""
    lines = []
    for arm in arms:
        each = [float(np.mean(noted(run, name, phase)[-last:])) for run in played.get(arm, ())]
        if each:
            low, high = seed_interval(each)
            seeds = " ".join(f"{value:.3f}" for value in each)
            lines.append(f"- {what}, {arm}: {np.mean(each):.3f} [{low:.3f}, {high:.3f}]; per seed {seeds}")
    return lines


def report(played: Runs) -> list[str]:
    """The results as Markdown."""
    pairs, others = ("darc", "vote"), ("hrpo", "grpo")
    return [
        *compared(played, *pairs, 0.0),
        *means(played, pairs, "labels that are true while the solver learns", "label_right", "solver"),
        *(line for level in ("easy", "moderate", "hard") for line in _level(played, level)),
        "",
        *compared(played, *others, -0.05),
        *means(played, others, f"difficulty reward, last {LAST} proposer generations", "difficulty", "proposer", LAST),
        *means(played, others, f"format, last {LAST} proposer generations", "format", "proposer", LAST),
        *means(played, others, "proposed answers that are true, all generations", "answer_right", ""),
    ]


def _level(played: Runs, level: str) -> list[str]:
    """How near the questioner of `darc` comes to what it is asked for at the end of stage 1."""
    return means(
        played, ["darc"], f"solve rate of {level} questions, end of stage 1", f"{level}_rate", "question", LAST
    )


def main() -> None:
    """Run what is missing, then print and write the tables."""
    assert __doc__ is not None
    study = Study("search_agent", ARMS, seeds=3, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "search")


if __name__ == "__main__":
    main()
