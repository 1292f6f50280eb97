"""The tiny models' network: a Llama of about a million parameters with tied embeddings.

Small enough that a warm start takes minutes on a CPU core, and an ordinary `LlamaForCausalLM` in every other respect.

Without a position code (`Shape.rotary` off) a model counts positions by itself, through the causal mask, and carries
what it learned over to longer texts: NoPE, arXiv 2305.19466; used for length generalisation by Self-Improving
Transformers (arXiv 2502.01612). It is still a Llama: rotary positions are divided by so much that nothing turns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from selfplay.errors import UsageError

HEAD = 32
"""Width of one attention head."""

STILL = {"rope_type": "linear", "factor": 1e9, "rope_theta": 1e4}
"""Rotary settings under which 512 positions turn by less than a millionth of a radian."""


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

    rotary: bool = True
    """Rotary position code; without it, none at all."""

    @classmethod
    def sized(cls, hidden: int | None = None, layers: int | None = None, *, rotary: bool = True) -> Shape:
        """The default shape, made narrower or less deep, or without a position code.

        Raises:
            UsageError: no network has this size.
        """
        base = cls()
        hidden, layers = hidden or base.hidden, layers or base.layers
        if hidden % HEAD or not 0 < hidden <= 1024 or not 0 < layers <= 64:
            raise UsageError(
                f"a tiny model cannot be {hidden} wide and {layers} layers deep\n"
                f"  width: a multiple of {HEAD} up to 1024; depth: 1 to 64"
            )
        heads = hidden // HEAD
        return replace(
            base, hidden=hidden, layers=layers, heads=heads, kv_heads=heads, intermediate=3 * hidden, rotary=rotary
        )


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
        rope_parameters=None if shape.rotary else STILL,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)
