"""One run seed, and every other seed derived from it by name.

No global random state anywhere: whoever needs chance is handed a seed or a `random.Random`. Two derivations are used:

- `derive(seed, *parts)`: a 64-bit seed for anything with a name ("match", 17); BLAKE2b, so it is the same on every
  machine, Python version and `PYTHONHASHSEED`.
- `mix(seed, counter)`: splitmix64 (Steele, Lea, Flood 2014, https://doi.org/10.1145/2714064.2660195), cheap enough to
  be called for every sibling of every ask; samplers use the same function, vectorised, per token.
"""

from __future__ import annotations

import hashlib
import random

MASK64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def derive(seed: int, *parts: str | int) -> int:
    """A 64-bit seed that depends on `seed` and on every part, in order."""
    text = "\x1f".join([str(seed), *(f"{type(p).__name__[0]}{p}" for p in parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(seed: int, counter: int) -> int:
    """The `counter`-th output of splitmix64 started at `seed` (64 bit)."""
    z = (seed + (counter + 1) * _GOLDEN) & MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
    return z ^ (z >> 31)


def rng(seed: int, *parts: str | int) -> random.Random:
    """A private generator for `derive(seed, *parts)`."""
    return random.Random(derive(seed, *parts) if parts else seed)
