"""Saying the most informative of several true things: the rational speech acts of a speaker and a literal listener.

Frank and Goodman (2012, https://doi.org/10.1126/science.1218633), on a sampled support as in Generating Pragmatic
Examples to Train Neural Program Synthesizers (arXiv 2311.05740). Of the *meanings* that a listener might have in mind
(rows) and the *utterances* that a speaker might make (columns) it is known which are consistent.

    L0(meaning | utterance)   each column divided by its sum: what somebody makes of it who takes it literally
    S1(utterance | meaning)   each row of L0 divided by its sum: what somebody says who wants to be understood by L0

All functions are pure. A row or column without a single 1 stays 0.
"""

from __future__ import annotations

from collections.abc import Sequence

Matrix = Sequence[Sequence[float]]
"""A row per meaning, a column per utterance."""


def literal_listener(consistent: Matrix) -> list[list[float]]:
    """L0: columns add up to 1."""
    sums = [sum(column) for column in zip(*consistent, strict=True)]
    return [[cell / total if total else 0.0 for cell, total in zip(row, sums, strict=True)] for row in consistent]


def pragmatic_speaker(consistent: Matrix) -> list[list[float]]:
    """S1: rows add up to 1."""
    understood = literal_listener(consistent)
    return [[cell / sum(row) if sum(row) else 0.0 for cell in row] for row in understood]


def most_informative(consistent: Matrix, meaning: int) -> int | None:
    """The utterance with the largest S1 for this meaning, the first one on a tie; `None` if none is consistent."""
    row = pragmatic_speaker(consistent)[meaning]
    best = max(row, default=0.0)
    return row.index(best) if best > 0.0 else None
