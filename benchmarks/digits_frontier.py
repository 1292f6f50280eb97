"""Do the filters on self-made labels move the frontier of digits further? `make bench-digits_frontier`.

Claim, named beforehand. Metric: held-out accuracy (greedy, 100 sums per length, from what was demonstrated to 6 digits
beyond) of the policy after the last generation, mean over the lengths that were never demonstrated. Arms, 3 seeds each,
equal generations and answers sampled, the same rule for moving the frontier (votes, even where labels ignore them):

    filters   examples/digits_frontier/recipe.toml: majority, length and commutativity
    none      examples/digits_frontier/no_filters.toml: the first answer to a sum is its label

It holds if the one-sided 95 % lower bound of filters - none is above 0, by a paired bootstrap over seeds and then
tasks. Reported besides: accuracy per length before and after, the frontier that was reached, and the precision of the
labels that were kept.

The papers: with filters addition goes from 10 to 100 digits, without them errors pile up and progress stalls (arXiv
2502.01612, sections 4 and 5); 6 to 28 digits (SECToR, arXiv 2306.07627).

Resumable, see `arms`. Budget: 12 CPU-minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from arms import Arm, Played, Study, difference, marks_of, mean, rates_table

ARMS = {
    "filters": Arm("examples/digits_frontier/recipe.toml"),
    "none": Arm("examples/digits_frontier/no_filters.toml"),
}


def main() -> None:
    """Run what is missing, then print and write the table."""
    assert __doc__
    study = Study("digits_frontier", ARMS, seeds=3, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "digits")


def report(played: Mapping[str, Sequence[Played]]) -> list[str]:
    """The results as Markdown."""
    marks = {arm: marks_of(runs) for arm, runs in played.items()}
    marks["warm start"] = marks_of(next(iter(played.values())), 0)
    levels = list(next(iter(played.values()))[0].canary())
    beyond = {arm: m[1:] for arm, m in marks.items()}  # the first level is what was demonstrated
    lines = [*rates_table(marks, played, levels), ""]
    lines += [f"- beyond what was demonstrated, {arm}: {mean(m):.3f}" for arm, m in beyond.items()]
    lines.append(difference("filters - none, beyond", beyond["filters"], beyond["none"], 0.0))
    for arm in played:
        lines.append(difference(f"{arm} - warm start, beyond", beyond[arm], beyond["warm start"]))
        lines.append(f"- {arm}: {labels(played[arm])}")
    return lines


def labels(runs: Sequence[Played]) -> str:
    """How far the frontier came, and how good the labels were."""
    notes = [[line["notes"] for line in run.run.metrics()] for run in runs]
    reached = " ".join(f"{max(n['frontier'] for n in own if 'frontier' in n):.0f}" for own in notes)
    precision = np.mean([n["precision"] for own in notes for n in own if "precision" in n])
    kept = np.mean([n["kept"] for own in notes for n in own])
    return f"frontier reached {reached}; {kept:.0%} of labels kept, {precision:.1%} of these right"


if __name__ == "__main__":
    main()
