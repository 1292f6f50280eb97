"""Rows with a common prompt run as one sequence, and nothing but the time changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedModel

from selfplay.learning.packing import shared_prompts
from selfplay.types import Row


def row(prompt: list[int], reply: list[int]) -> Row:
    n = len(reply)
    zeros = np.zeros(n, np.float32)
    ids = (np.array(prompt, np.int32), np.array(reply, np.int32))
    return Row(*ids, np.ones(n, bool), zeros, zeros, "solver", "", "main", 0)


def llama(**options: object) -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return LlamaForCausalLM(LlamaConfig(vocab_size=40, num_key_value_heads=2, **sizes, **options)).eval()


def padded(rows: list[Row]) -> torch.Tensor:
    width = max(len(r.prompt_ids) + len(r.completion_ids) for r in rows)
    ids = np.zeros((len(rows), width), np.int64)
    for i, r in enumerate(rows):
        both = np.concatenate([r.prompt_ids, r.completion_ids])
        ids[i, : len(both)] = both
    return torch.from_numpy(ids)


def loss_and_gradient(model: PreTrainedModel, rows: list[Row], ids: torch.Tensor) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    logits = model(input_ids=ids, use_cache=False).logits
    loss = torch.zeros(())
    for i, r in enumerate(rows):
        start, count = len(r.prompt_ids), len(r.completion_ids)
        loss = loss + (logits[i, start - 1 : start + count - 1].log_softmax(-1)[:, 7] * (i + 1)).sum()
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


ROWS = [
    row([1, 2, 3, 4, 5, 6], [7, 8]),
    row([9, 9], [7]),
    row([1, 2, 3, 4, 5, 6], [9, 10, 11]),
    row([1, 2, 3, 4, 5, 6], [12]),
    row([9, 9], [3, 4, 5]),
    row([1, 2, 3, 4, 5, 6], [7, 8]),
]


def test_loss_and_gradient_are_those_of_separate_rows() -> None:
    model, ids = llama(), padded(ROWS)
    loss, gradient = loss_and_gradient(model, ROWS, ids)
    seen = []
    layer = model.model.layers[0]
    handle = layer.register_forward_hook(lambda module, args, output: seen.append(args[0].shape[:2].numel()))
    with shared_prompts(model, ROWS):
        packed_loss, packed_gradient = loss_and_gradient(model, ROWS, ids)
    handle.remove()
    assert seen and seen[0] < ids.numel()  # it really ran packed
    assert packed_loss == pytest.approx(loss, rel=1e-6)
    assert torch.dist(packed_gradient, gradient) / gradient.norm() < 1e-5


def test_it_is_undone_afterwards_even_after_an_error() -> None:
    model, ids = llama(), padded(ROWS)
    before = model(input_ids=ids).logits
    with pytest.raises(ZeroDivisionError), shared_prompts(model, ROWS):
        raise ZeroDivisionError
    assert torch.equal(model(input_ids=ids).logits, before)


@pytest.mark.parametrize("kind", ["nothing shared", "sliding window", "eager"])
def test_rows_run_as_they_are_where_packing_does_not_apply(kind: str) -> None:
    rows = [row([i, i + 1], [3]) for i in range(4)] if kind == "nothing shared" else ROWS
    model: PreTrainedModel = llama(attn_implementation="eager") if kind == "eager" else llama()
    if kind == "sliding window":
        config = MistralConfig(
            vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
            intermediate_size=32, sliding_window=4,
        )  # fmt: skip
        model = MistralForCausalLM(config).eval()
    before = model.base_model.forward
    with shared_prompts(model, rows):
        assert model.base_model.forward == before


def test_a_long_pack_is_split() -> None:
    rows = [row([1, 2, 3, 4], [5] * 100) for _ in range(12)]
    model, ids = llama(), padded(rows)
    plain = model(input_ids=ids, use_cache=False).logits
    with shared_prompts(model, rows):
        packed = model(input_ids=ids, use_cache=False).logits
    assert torch.allclose(plain, packed, atol=1e-5) or float((plain - packed).abs().max()) < 1e-5
