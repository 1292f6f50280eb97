"""The balance score: how much a selection threshold lets learning have, and how right that is.

    bs = min(n_right / wanted, 1) * n_right / n_selected       for one question; 0 where nothing is selected

`n_selected` of the answers to a question score at least the threshold, `n_right` of these are correct. The score of a
threshold is the mean over the questions of a generation: B-STaR, arXiv 2412.17256, section 4 (wanted = 8 there).

A game makes it measurable with one note for each question that was answered::

    match.note(scores=[0.75, 0.75, 0.25, 0.75], correct=[True, True, False, True])

`scores` is whatever the threshold is compared with (share of the votes, a judge's mark), `correct` what is known to be
true; a pair with a `None` in it is left out, and lists of different lengths say nothing. Games that never do this have
no balance score, and a controller that looks for it leaves its setting alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean

from selfplay.types import MatchRecord

BEST = "balance/best"
"""The metric of the best threshold's score."""


def grid(start: float, end: float, step: float) -> list[float]:
    """`start`, `start + step`, .. up to `end`."""
    return [round(start + i * step, 9) for i in range(int((end - start) / step + 1e-9) + 1)]


def name_of(threshold: float) -> str:
    """The metric of this threshold's score."""
    return f"balance/{threshold:g}"


def balance_scores(records: Iterable[MatchRecord], thresholds: Sequence[float], wanted: int) -> dict[str, float]:
    """Metric -> mean balance score, for every threshold and for the best one; empty without questions."""
    questions = [question for record in records for question in _questions(record)]
    if not questions:
        return {}
    scores = {name_of(t): fmean(balance(question, t, wanted) for question in questions) for t in thresholds}
    return {**scores, BEST: max(scores.values())}


def balance(answers: Sequence[tuple[float, bool]], threshold: float, wanted: int) -> float:
    """The balance score of one question's answers, each with its score and whether it is correct; in [0, 1]."""
    selected = [right for score, right in answers if score >= threshold]
    return min(sum(selected) / wanted, 1.0) * sum(selected) / len(selected) if selected else 0.0


def _questions(record: MatchRecord) -> Iterator[list[tuple[float, bool]]]:
    for fact in record.facts:
        scores, correct = fact.data.get("scores"), fact.data.get("correct")
        if fact.kind != "note" or not isinstance(scores, list) or not isinstance(correct, list):
            continue
        pairs = zip(scores, correct, strict=True) if len(scores) == len(correct) else ()
        known = [(float(s), bool(c)) for s, c in pairs if isinstance(s, int | float) and c is not None]
        if known:
            yield known
