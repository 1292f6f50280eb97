from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay import seeds
from selfplay.policies.chance import draw, mix, truncate, uniforms
from selfplay.types import Sampling


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5), st.integers(0, 2**40))
def test_mix_is_the_function_of_seeds(values: list[int], counter: int) -> None:
    expected = [seeds.mix(value, counter) for value in values]
    assert mix(np.array(values, dtype=np.uint64), counter).tolist() == expected


def test_uniforms_are_uniform_and_below_one() -> None:
    values = uniforms(np.arange(200_000, dtype=np.uint64), 3)
    assert values.dtype == np.float32 and values.min() >= 0.0 and values.max() < 1.0
    shares = np.histogram(values, bins=20, range=(0, 1))[0] / len(values)
    assert abs(shares - 0.05).max() < 0.003
    assert float(np.float32(2**24 - 1) * np.float32(2.0**-24)) < 1.0


@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling(0.5), Sampling(2.0, top_k=3), Sampling(top_p=0.8), Sampling(0.7, 0.6, 4)],
)
def test_tokens_are_drawn_with_the_reported_probabilities(sampling: Sampling) -> None:
    n = 40_000
    row = torch.tensor([[1.5, -0.3, 0.0, 2.0, -2.0, 0.7]])
    uniform = torch.from_numpy(uniforms(np.arange(n, dtype=np.uint64), 0))[:, None]
    tokens, logprobs = draw(row.expand(n, -1), uniform, sampling)
    shares = torch.bincount(tokens[:, 0], minlength=6) / n
    reported = torch.zeros(6)
    reported[tokens[:, 0]] = logprobs[:, 0].exp()
    assert abs(shares - reported).max() < 0.01
    assert float(reported.sum()) == pytest.approx(1.0, abs=1e-5)


def test_truncation_keeps_the_right_tokens() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()[:, [2, 0, 3, 1]]
    assert truncate(logits, 2, 1.0).isfinite().tolist() == [[False, True, False, True]]
    assert truncate(logits, 0, 0.6).isfinite().tolist() == [[False, True, False, True]]
    assert truncate(logits, 0, 0.0).isfinite().tolist() == [[False, True, False, False]]
    assert truncate(logits, 9, 1.0).isfinite().all()


@settings(max_examples=50)
@given(st.lists(st.floats(-60, 60), min_size=2, max_size=40), st.floats(0, 1))
def test_every_draw_is_a_token_that_can_happen(logits: list[float], uniform: float) -> None:
    values = torch.tensor([[float("-inf"), *logits, float("-inf")]])
    tokens, logprobs = draw(values, torch.tensor([[min(uniform, 1 - 2**-24)]]), Sampling())
    assert logprobs.isfinite().all() and 1 <= int(tokens) <= len(logits)


def test_greedy_takes_the_best_and_reports_temperature_one() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0]])
    tokens, logprobs = draw(logits, torch.tensor([[0.999]]), Sampling(temperature=0.0))
    assert tokens.tolist() == [[1]]
    assert logprobs.item() == pytest.approx(logits.log_softmax(-1)[0, 1].item(), abs=1e-6)
