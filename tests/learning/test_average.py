"""The average is the running mean it says it is, and only lent to the model."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from selfplay.learning.average import Average


def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    )


def first(net: LlamaForCausalLM) -> torch.Tensor:
    return next(iter(net.parameters())).detach().clone()


def test_it_is_the_running_mean_and_is_put_back() -> None:
    net = model()
    average = Average(net.parameters(), 0.9)
    start = expected = first(net)
    for update in range(1, 30):
        with torch.no_grad():
            next(iter(net.parameters())).add_(1.0)
        average.update(update)
        keep = min(0.9, 1 - 1 / (update + 1))
        expected = keep * expected + (1 - keep) * first(net)
    with average.in_place():
        assert torch.allclose(first(net), expected, atol=1e-4)
        assert not torch.allclose(first(net), start + 29)
    assert torch.allclose(first(net), start + 29)


def test_it_survives_saving(tmp_path: Path) -> None:
    net = model()
    average = Average(net.parameters(), 0.5)
    with torch.no_grad():
        next(iter(net.parameters())).add_(1.0)
    average.update(1)
    average.save(tmp_path)
    other = Average(model().parameters(), 0.5)
    other.load(tmp_path)
    with average.in_place():
        mine = first(net)
    assert torch.equal(mine, other._mean[0])


def test_without_decay_it_is_the_model_itself(tmp_path: Path) -> None:
    net = model()
    average = Average(net.parameters(), 0.0)
    average.update(1)
    average.save(tmp_path)
    with average.in_place():
        assert torch.equal(first(net), first(model()))
    assert not list(tmp_path.iterdir())
