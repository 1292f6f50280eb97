"""From logits and a row's seed to one token: counter-based randomness and the inverse of the cumulative distribution.

The t-th token of a row is drawn with `mix(seed, t)` (splitmix64, `selfplay.seeds.mix`, here over arrays), so what a row
draws depends on its seed and its own tokens alone: not on its batch, its place in it, or what was drawn before.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selfplay.types import Sampling

_GOLDEN, _FIRST, _SECOND = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def mix(seeds: NDArray[np.uint64], counter: int) -> NDArray[np.uint64]:
    """`selfplay.seeds.mix` for an array of seeds."""
    z = seeds + np.uint64((counter + 1) * int(_GOLDEN) & (2**64 - 1))
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def uniforms(seeds: NDArray[np.uint64], counter: int) -> NDArray[np.float32]:
    """One number in [0, 1) per seed; 24 bits, so that it is exact in float32."""
    return (mix(seeds, counter) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def draw(logits: Tensor, uniform: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """One token per row: (B, V) logits and (B, 1) uniforms -> (B, 1) ids and (B, 1) log-probabilities, float32.

    Log-probabilities are those of the distribution drawn from: after temperature, and after `top_k` and `top_p` where
    these are set. Greedy (temperature 0) reports those of temperature 1.
    """
    logits = logits.float()
    if sampling.temperature == 0.0:
        logprobs = torch.log_softmax(logits, -1)
        tokens = logits.argmax(-1, keepdim=True)
        return tokens, logprobs.gather(-1, tokens)
    if sampling.temperature != 1.0:
        logits = logits / sampling.temperature
    logprobs = torch.log_softmax(truncate(logits, sampling.top_k, sampling.top_p), -1)
    mass = logprobs.exp().cumsum(-1)
    total = mass[:, -1:].contiguous()
    tokens = torch.searchsorted(mass, uniform * total, right=True)
    # uniform * total may round up to total; the last token that has any probability is meant then.
    tokens = torch.minimum(tokens, torch.searchsorted(mass, total)).clamp_(max=logits.shape[-1] - 1)
    return tokens, logprobs.gather(-1, tokens)


def truncate(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Logits with -inf outside the `top_k` most likely tokens (0: all) and the smallest set of mass `top_p`."""
    if 0 < top_k < logits.shape[-1]:
        logits = logits.masked_fill(logits < logits.topk(top_k, -1).values[:, -1:], float("-inf"))
    if top_p < 1.0:
        ordered, order = logits.sort(stable=True, dim=-1, descending=True)
        before = ordered.softmax(-1).cumsum(-1).roll(1, -1)
        before[:, 0] = -1.0  # the most likely token always stays
        outside = before >= top_p
        logits = logits.masked_fill(outside.scatter(-1, order, outside), float("-inf"))
    return logits
