"""The built-in tiny models: about a million parameters, one per family of games, warm-started on demonstrations.

They use the same prompts, chat template, sampler and file format as any other model, so that a game can be tried, and
learned from, on a laptop. `tokenizer` builds a family's tokenizer, `model` its network, `make` trains both and writes
the card, `store` loads them (``tiny:countdown``). Importing this package imports no torch.
"""

from selfplay.tiny.store import families, load_tiny

__all__ = ["families", "load_tiny"]
