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

Resumable, see `arms`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from arms import Arm, Marks, Played, Study, difference, holds, marks_of, mean, rates_table, resampled

ARMS = {
    "selfplay": Arm("examples/countdown/recipe.toml"),
    "random": Arm("examples/countdown/recipe.toml", ["roles.proposer.player=random", "schedule.matches=64"]),
    "naive": Arm("examples/countdown/naive.toml", ["health.0.action=warn"]),
}
EXAM = ["game.settings.exam_size=1000", "evaluation.final_tasks=1000"]
"""With 150 puzzles per level the exam's own chance is as large as the difference between two arms."""
LEVELS = ("3", "4", "5")


def main() -> None:
    """Run what is missing, then print and write the table."""
    assert __doc__
    study = Study("countdown", ARMS, common=EXAM, seeds=5, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "countdown")


def report(played: Mapping[str, Sequence[Played]]) -> list[str]:
    """The results as Markdown."""
    marks = {arm: marks_of(runs) for arm, runs in played.items()}
    marks["warm start"] = marks_of(next(iter(played.values())), 0)
    answers = ", ".join(f"{arm} {np.mean([r.moves('solver') for r in runs]):.0f}" for arm, runs in played.items())
    lines = [*rates_table(marks, played, LEVELS), "", f"Answers by solvers per run: {answers}.", ""]
    for other, margin in (("random", -0.02), ("naive", 0.0)):
        if {"selfplay", other} <= marks.keys():
            lines.append(difference(f"selfplay - {other}", marks["selfplay"], marks[other], margin))
    if "selfplay" in marks:
        lines += gains(marks["selfplay"], marks["warm start"])
    if "naive" in played:
        fired = [next((event["generation"] for event in run.run.events("alarm")), None) for run in played["naive"]]
        times = ", ".join("not at all" if g is None else f"after generation {g}" for g in fired)
        lines.append(f"- naive's canary, which stops the recipe as shipped, fired: {times}")
    return lines


def gains(selfplay: Marks, before: Marks) -> list[str]:
    """Self-play against the warm start: over all, and level by level."""
    draws = resampled(selfplay, before)
    means = draws.mean(axis=2)
    lower, upper = np.percentile(means[:, 0] / means[:, 1] - 1, [2.5, 97.5])
    gain = mean(selfplay) / mean(before) - 1
    verdict = holds(gain >= 0.35 and lower > 0.15)
    lines = [f"- selfplay / warm start - 1: {gain:+.1%} [{lower:+.1%}, {upper:+.1%}]; {verdict}"]
    for level, size in enumerate(LEVELS):
        lower, upper = np.percentile(draws[:, 0, level] - draws[:, 1, level], [2.5, 97.5])
        lines.append(f"- level {size}, selfplay - warm start: [{lower:+.3f}, {upper:+.3f}]; {holds(upper >= 0)}")
    return lines


if __name__ == "__main__":
    main()
