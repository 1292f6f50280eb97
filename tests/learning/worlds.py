"""What learning tests share: tiny random models, a tokenizer, and matches and rows made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selfplay.types import Completion, Ending, MatchRecord, Message, Move, Pairing, Row, Task, Turn

VOCABULARY = 40


def model(seed: int):
    """A random LlamaForCausalLM with 2 layers of width 32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.2,  # far from uniform, so that two seeds really differ
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def tokenizer():
    """Words t0 .. t39."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {f"t{i}": i for i in range(VOCABULARY)}
    made = Tokenizer(models.WordLevel(words, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="t0", eos_token="t1", bos_token="t2")


def rows(seed: int, n: int = 24) -> list[Row]:
    """Rows of three kinds of moves, several turns with masked tokens in between, one advantage per token."""
    rng = np.random.default_rng(seed)
    kinds = [("proposer", ""), ("solver", ""), ("solver", "revise")]
    out = []
    for i in range(n):
        p, t = rng.integers(2, 9), rng.integers(1, 16)
        mask = rng.random(t) < 0.7
        mask[-1] = True
        role, tag = kinds[i % 3]
        out.append(
            Row(
                prompt_ids=rng.integers(3, VOCABULARY, p).astype(np.int32),
                completion_ids=rng.integers(3, VOCABULARY, t).astype(np.int32),
                mask=mask,
                logprobs=np.zeros(t, np.float32),
                advantages=rng.normal(size=t).astype(np.float32),
                role=role,
                tag=tag,
                player="learner",
                weights_version=0,
            )
        )
    return out


def sampled_by(behaviour, made: Sequence[Row], temperature: float) -> None:
    """Give rows the log-probabilities they would have, had `behaviour` sampled them."""
    from selfplay.policies.scoring import token_logprobs

    ids = [r.prompt_ids.tolist() for r in made], [r.completion_ids.tolist() for r in made]
    for row, logprobs in zip(made, token_logprobs(behaviour, *ids, temperature=temperature), strict=True):
        row.logprobs = np.where(row.mask, logprobs, 0).astype(np.float32)


class Scene:
    """One match, written down move by move."""

    def __init__(self, number: int = 0, seed: int = 0, task: Task | None = None, ending: Ending = Ending.OK) -> None:
        pairing = Pairing("game", {}, {}, seed, number, task=task or Task())
        self.record = MatchRecord(pairing, {}, [], [], None, ending)

    def move(
        self,
        id: str,
        reward: float | None = 0.0,
        *,
        after: Move | None = None,
        prompt: str = "go",
        role: str = "solver",
        tag: str = "",
        group: str | None = None,
        player: str = "learner",
        version: int = 0,
        learn: bool = True,
        reply: Sequence[int] | None = (7, 8),
        text: str = "reply",
    ) -> Move:
        """A reply of token ids `reply` (`None`: unknown) to three prompt tokens; `after` continues that move."""
        completion = Completion(text, weights_version=version)
        if reply is not None:
            completion.prompt_ids = np.array([3, 4, len(self.record.moves)], np.int32)
            completion.token_ids = np.array(reply, np.int32)
            completion.logprobs = -np.arange(1, len(reply) + 1, dtype=np.float32)
        messages = (Message("user", prompt),)
        turn = Turn(after.turn if after else None, messages, completion)
        made = Move(id, after, role, role, tag, group, player, learn, False, messages, completion, turn)
        made.reward = reward
        self.record.moves.append(made)
        return made
