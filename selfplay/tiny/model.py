"""The tiny models' network: a Llama of about a million parameters with tied embeddings.

Small enough that a warm start takes minutes on a CPU core, and an ordinary `LlamaForCausalLM` in every other respect.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of the network."""

    hidden: int = 128
    layers: int = 5
    heads: int = 4
    kv_heads: int = 4
    intermediate: int = 384
    context: int = 512
    """Most tokens of a conversation."""
    init_std: float = 0.06
    """Standard deviation of the first weights; small networks start faster from larger ones than Llama's 0.02."""


def build_model(tokenizer: PreTrainedTokenizerFast, shape: Shape, seed: int) -> LlamaForCausalLM:
    """A fresh model; the same weights for the same arguments, whatever the global random state."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.context,
        initializer_range=shape.init_std,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)
