"""Rational speech acts, on the example that the papers use and on any matrix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.roles.informative import literal_listener, most_informative, pragmatic_speaker

matrices = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.sampled_from([0.0, 1.0]), min_size=width, max_size=width), min_size=1, max_size=4
    )
)
# a face with glasses, one with glasses and a hat; utterances "glasses", "hat"
FACES = [[1.0, 0.0], [1.0, 1.0]]


def test_the_hat_is_what_tells_them_apart() -> None:
    assert literal_listener(FACES) == [[0.5, 0.0], [0.5, 1.0]]
    assert pragmatic_speaker(FACES) == [[1.0, 0.0], [pytest.approx(1 / 3), pytest.approx(2 / 3)]]
    assert most_informative(FACES, 1) == 1 and most_informative(FACES, 0) == 0
    assert most_informative([[0.0, 0.0], [1.0, 1.0]], 0) is None


@given(matrices)
def test_both_are_distributions_over_what_is_consistent(consistent: list[list[float]]) -> None:
    listener, speaker = literal_listener(consistent), pragmatic_speaker(consistent)
    for column, possible in zip(zip(*listener, strict=True), zip(*consistent, strict=True), strict=True):
        assert sum(column) == pytest.approx(float(any(possible)))
    for meaning, row in enumerate(consistent):
        assert sum(speaker[meaning]) == pytest.approx(float(any(row)))
        assert all((said > 0) == (true > 0) for said, true in zip(speaker[meaning], row, strict=True))
        best = most_informative(consistent, meaning)
        if best is not None:  # fewest others would be understood
            others = [sum(column) for column in zip(*consistent, strict=True)]
            assert others[best] == min(other for other, true in zip(others, row, strict=True) if true)
