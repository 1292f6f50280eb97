"""Does SCoRe's two-stage training teach self-correction where single-turn RL does not? `make bench-self_correction`.

Claim, named beforehand. Metric: delta = acc@2 - acc@1 (greedy, 150 held-out sums per level, mean over the levels; the
second attempt is made after "There may be an error", whether there is one or not) of the policy after the last
generation. Arms, 3 seeds each, equal matches, attempts and updates:

    score    examples/self_correction/score.toml: stage I, then stage II with alpha = 10
    single   examples/self_correction/single.toml: the same amount of reinforcement learning on first attempts alone

It holds if the one-sided 95 % lower bound of delta(score) - delta(single) is above 0, by a paired bootstrap over seeds
and then tasks. Reported besides: acc@1, acc@2, wrong -> right, right -> wrong, the share of edited answers in the last
ten generations, and how much acc@2 the arms differ in.

The paper (arXiv 2409.12917, MATH, Gemini 1.5 Flash): delta -11.2 before, -2.4 with single-turn RL (61.8 -> 59.4), +4.4
with SCoRe (60.0 -> 64.4); right -> wrong falls from 15.8 to 1.4 %.

Resumable, see `arms`. Budget: 12 CPU-minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from arms import Arm, Marks, Played, Study, difference, marks_of, mean

ARMS = {
    "score": Arm("examples/self_correction/score.toml"),
    "single": Arm("examples/self_correction/single.toml"),
}
LAST = 10
"""Generations over which the share of edited answers is averaged."""


def main() -> None:
    """Run what is missing, then print and write the table."""
    assert __doc__
    study = Study("self_correction", ARMS, seeds=3, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "self_correction")


def report(played: Mapping[str, Sequence[Played]]) -> list[str]:
    """The results as Markdown."""
    both = {arm: attempts(marks_of(runs)) for arm, runs in played.items()}
    both["warm start"] = attempts(marks_of(next(iter(played.values())), 0))
    lines = [
        "| arm | acc@1 | acc@2 | delta | wrong -> right | right -> wrong | edited | delta per seed | CPU min / run |",
        "|---" * 9 + "|",
    ]
    for arm, (first, second) in both.items():
        runs = played.get(arm)
        lines.append(f"| {arm} | {mean(first):.3f} | {mean(second):.3f} | {changes(first, second)} | {about(runs)} |")
    score, single = both["score"], both["single"]
    delta = [[b - a for a, b in zip(*arm, strict=True)] for arm in (score, single)]
    return [
        *lines,
        "",
        difference("delta, score - single", delta[0], delta[1], 0.0),
        difference("acc@2, score - single", score[1], single[1]),
        difference("acc@1, score - single", score[0], single[0]),
        "- the paper: delta +4.4 with SCoRe, -2.4 with single-turn RL (MATH, Gemini 1.5 Flash)",
    ]


def attempts(marks: Marks) -> tuple[Marks, Marks]:
    """First and second attempts at the same sums; the exam's levels are the two in turn."""
    return marks[0::2], marks[1::2]


def changes(first: Marks, second: Marks) -> str:
    """Delta, wrong -> right and right -> wrong, as cells."""
    fixed = mean([(b > a).astype(float) for a, b in zip(first, second, strict=True)])
    broken = mean([(b < a).astype(float) for a, b in zip(first, second, strict=True)])
    return f"{mean(second) - mean(first):+.3f} | {fixed:.3f} | {broken:.3f}"


def about(runs: Sequence[Played] | None) -> str:
    """Share of edited answers, delta per seed, and cost, as cells."""
    if runs is None:
        return "- | the same model | -"
    edited = np.mean([[line["notes"]["edited"] for line in list(run.run.metrics())[-LAST:]] for run in runs])
    deltas = [mean(b) - mean(a) for a, b in (attempts(marks_of([run])) for run in runs)]
    cost = np.mean([run.cpu_s for run in runs]) / 60
    return f"{edited:.3f} | {' '.join(f'{delta:+.3f}' for delta in deltas)} | {cost:.1f}"


if __name__ == "__main__":
    main()
