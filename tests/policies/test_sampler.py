from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaForCausalLM,
    MambaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from selfplay.errors import RunError, UsageError
from selfplay.policies import sampler as sampler_module
from selfplay.policies.cache import ROOM
from selfplay.policies.ends import Ends, Pieces
from selfplay.policies.sampler import Reply, Sampler
from selfplay.policies.scoring import token_logprobs
from selfplay.types import Sampling

PROMPTS = [[5, 6, 7], [9] * 11, [3, 1, 4, 1, 5, 9, 2, 6], [8], [2, 7, 1, 8, 2, 8, 1, 8]]
SEEDS = [[1, 2, 3], [4], [5, 2**64 - 1], [7, 8], [9]]


def flat(replies: list[list[Reply]]) -> list[Reply]:
    return [reply for own in replies for reply in own]


def worst_error(
    model: Any, replies: list[list[Reply]], temperature: float, prompts: Sequence[list[int]] = PROMPTS
) -> float:
    """Largest difference to a plain forward pass over each row alone."""
    worst = 0.0
    for prompt, own in zip(prompts, replies, strict=True):
        for reply in own:
            ids = torch.tensor([prompt + reply.token_ids.tolist()])
            with torch.no_grad():
                logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1] / (temperature or 1.0)
            plain = logits.log_softmax(-1).gather(-1, ids[0, len(prompt) :, None])[:, 0].numpy()
            worst = max(worst, float(np.abs(plain - reply.logprobs).max(initial=0.0)))
    return worst


@pytest.mark.parametrize("temperature", [1.0, 0.6, 1.7, 0.0])
def test_logprobs_equal_a_plain_forward_pass(model: LlamaForCausalLM, temperature: float) -> None:
    ends = Ends(model.vocab_size, range(0, 30))  # rows end at very different lengths, so slots are dropped
    replies = Sampler(model).sample(PROMPTS, SEEDS, Sampling(temperature, max_tokens=40), ends)
    lengths = {len(reply.token_ids) for reply in flat(replies)}
    assert temperature == 0.0 or len(lengths) > 4
    assert [len(own) for own in replies] == [len(own) for own in SEEDS]
    assert worst_error(model, replies, temperature) < 1e-5
    assert all(r.token_ids.dtype == np.int32 and r.logprobs.dtype == np.float32 for r in flat(replies))


SMALL = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
LLAMA_LIKE = SMALL | {"intermediate_size": 32, "num_key_value_heads": 1, "head_dim": 16}
CONFIGS: dict[str, PreTrainedConfig] = {
    "gpt2": GPT2Config(**SMALL, n_positions=200),
    "opt": OPTConfig(**SMALL, ffn_dim=32, word_embed_proj_dim=32),
    "neox": GPTNeoXConfig(**SMALL, intermediate_size=32),
    "bloom": BloomConfig(**SMALL),
    "qwen3": Qwen3Config(**LLAMA_LIKE),
    "mistral-sliding": MistralConfig(**LLAMA_LIKE, sliding_window=6),
    "gemma3-hybrid": Gemma3TextConfig(
        **LLAMA_LIKE, sliding_window=6, layer_types=["sliding_attention", "full_attention"]
    ),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_other_architectures(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_config(CONFIGS[kind]).eval()
    monkeypatch.setattr(sampler_module, "WORTH_SHARING", 1)
    for prompts in (PROMPTS, [[40, 41, 42, *prompt] for prompt in PROMPTS]):
        replies = Sampler(model).sample(prompts, SEEDS, Sampling(0.9, max_tokens=20), Ends(64, range(3)))
        assert worst_error(model, replies, 0.9, prompts) < 1e-5


def test_adapters(tokenizer: PreTrainedTokenizerFast, model: LlamaForCausalLM) -> None:
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    adapted = get_peft_model(LlamaForCausalLM(model.config), config).eval()
    replies = Sampler(adapted).sample(PROMPTS, SEEDS, Sampling(max_tokens=5), Ends(model.vocab_size, []))
    assert worst_error(adapted, replies, 1.0) < 1e-5


def test_recurrent_models_are_refused() -> None:
    mamba = AutoModelForCausalLM.from_config(
        MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4)
    )
    with pytest.raises(UsageError, match="mamba"):
        Sampler(mamba)


@pytest.mark.parametrize("sampling", [Sampling(max_tokens=30), Sampling(0.8, 0.9, 20, max_tokens=30)])
def test_results_do_not_depend_on_the_batch(model: LlamaForCausalLM, sampling: Sampling) -> None:
    ends = Ends(model.vocab_size, range(20))
    together = flat(Sampler(model).sample(PROMPTS, SEEDS, sampling, ends))
    in_pairs = flat(Sampler(model, rows=2).sample(PROMPTS, SEEDS, sampling, ends))
    backwards = Sampler(model).sample(PROMPTS[::-1], [own[::-1] for own in SEEDS[::-1]], sampling, ends)
    for other in (in_pairs, flat(backwards)[::-1]):
        assert [r.token_ids.tolist() for r in other] == [r.token_ids.tolist() for r in together]
        assert max(np.abs(a.logprobs - b.logprobs).max() for a, b in zip(other, together, strict=True)) < 1e-5


def test_seeds_decide(model: LlamaForCausalLM) -> None:
    ends = Ends(model.vocab_size, [])
    first, same, other = Sampler(model).sample([[4, 5]], [[11, 11, 12]], Sampling(max_tokens=16), ends)[0]
    assert first.token_ids.tolist() == same.token_ids.tolist() != other.token_ids.tolist()


def test_greedy_is_the_argmax_and_matches_generate(model: LlamaForCausalLM) -> None:
    ours = Sampler(model).sample([PROMPTS[2]], [[0]], Sampling(0.0, max_tokens=25), Ends(model.vocab_size, []))[0][0]
    theirs = model.generate(
        input_ids=torch.tensor([PROMPTS[2]]), attention_mask=torch.ones(1, len(PROMPTS[2]), dtype=torch.long),
        do_sample=False, max_new_tokens=25, eos_token_id=None,
    )  # fmt: skip
    assert ours.token_ids.tolist() == theirs[0, len(PROMPTS[2]) :].tolist()


def spy_on_forward(monkeypatch: pytest.MonkeyPatch, saw: Callable[[torch.Tensor], None]) -> None:
    forward = Sampler.forward

    def spy(self: Sampler, ids: torch.Tensor, *rest: Any) -> torch.Tensor:
        saw(ids)
        return forward(self, ids, *rest)

    monkeypatch.setattr(Sampler, "forward", spy)


def test_siblings_are_prefilled_once(model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    spy_on_forward(monkeypatch, lambda ids: sizes.append(tuple(ids.shape)))
    prompts = [[5, 6, 7], [5, 6, 7], [5, 6, 8]]  # two requests may ask the same
    Sampler(model).sample(prompts, [[1, 2], [3], [4, 5]], Sampling(max_tokens=3), Ends(model.vocab_size, []))
    assert sizes == [(2, 3), (5, 1), (5, 1)]


@pytest.mark.parametrize("lengths", [(3, 3, 3, 3), (1, 5, 2, 9)])
def test_a_common_prefix_is_run_once(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, ...]
) -> None:
    sizes: list[tuple[int, ...]] = []
    spy_on_forward(monkeypatch, lambda ids: sizes.append(tuple(ids.shape)))
    common = [3, 1, 4, 1, 5, 9, 2, 6] * 4
    prompts = [common * 2 + [20 + i] * n for i, n in enumerate(lengths)]
    monkeypatch.setattr(sampler_module, "WORTH_SHARING", 64 * 3)
    replies = Sampler(model).sample(
        prompts, [[1, 2], [3], [4], [5]], Sampling(max_tokens=9), Ends(model.vocab_size, [])
    )
    assert sizes[:3] == [(1, 64), (4, max(lengths)), (5, 1)]
    assert worst_error(model, replies, 1.0, prompts) < 1e-5


def test_a_prompt_that_is_the_common_prefix_keeps_a_token(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler_module, "WORTH_SHARING", 1)
    prompts = [[7, 8, 9], [7, 8, 9, 10], [7, 8, 9, 10, 11, 12]]
    replies = Sampler(model).sample(prompts, [[1], [2], [3]], Sampling(max_tokens=70), Ends(model.vocab_size, []))
    assert worst_error(model, replies, 1.0, prompts) < 1e-5


def test_ended_rows_leave_the_batch(model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    spy_on_forward(monkeypatch, lambda ids: sizes.append(len(ids)))
    ends = Ends(model.vocab_size, range(60))
    replies = flat(Sampler(model).sample([[5, 6]], [list(range(40))], Sampling(max_tokens=30), ends))
    running = [sum(len(r.token_ids) > step for r in replies) for step in range(1, len(sizes))]
    assert running[-1] < 40
    assert all(live <= size <= live * 32 / 31 + 1 for live, size in zip(running, sizes[1:], strict=True))


def test_the_cache_grows_beyond_its_first_room(model: LlamaForCausalLM) -> None:
    steps = ROOM + 20
    replies = Sampler(model).sample([[5, 6], [7]], [[1], [2]], Sampling(max_tokens=steps), Ends(model.vocab_size, []))
    assert [len(r.token_ids) for r in flat(replies)] == [steps, steps]
    assert worst_error(model, replies, 1.0, [[5, 6], [7]]) < 1e-5


def test_length_limits(model: LlamaForCausalLM) -> None:
    context = model.config.max_position_embeddings
    prompts = [[5] * (context - 3), [5] * 4, [5] * context, [6] * (context + 7)]
    replies = flat(
        Sampler(model).sample(prompts, [[1], [2], [3], [4]], Sampling(max_tokens=8), Ends(model.vocab_size, []))
    )
    assert [len(r.token_ids) for r in replies] == [3, 8, 0, 0]
    assert not any(r.stopped for r in replies)


def test_end_tokens_and_stop_strings_end_a_reply(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    pieces = Pieces(tokenizer)
    free = flat(Sampler(model).sample([[5, 6]], [list(range(60))], Sampling(max_tokens=30), Ends(model.vocab_size, [])))
    stop = tuple({pieces.decode(r.token_ids.tolist())[3:5] for r in free[:20]})  # strings that really occur
    ends = Ends(model.vocab_size, [], pieces, stop)
    cut = flat(Sampler(model).sample([[5, 6]], [list(range(60))], Sampling(max_tokens=30, stop=stop), ends))
    for long, short in zip(free, cut, strict=True):
        n = len(short.token_ids)
        assert short.token_ids.tolist() == long.token_ids.tolist()[:n]
        texts = [pieces.decode(long.token_ids.tolist()[: i + 1]) for i in range(30)]
        first = next((i for i, text in enumerate(texts) if any(s in text for s in stop)), 29)
        assert n == first + 1 and short.stopped == any(s in texts[first] for s in stop)


class OutOfMemory:
    """Makes a sampler fail whenever a batch has more than `most` rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> None:
        self.tried: list[int] = []
        batch = Sampler._batch

        def limited(sampler: Sampler, work: list[Any], *rest: Any) -> list[Reply]:
            self.tried.append(len(work))
            if len(work) > most:
                raise error
            return batch(sampler, work, *rest)

        monkeypatch.setattr(Sampler, "_batch", limited)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_halves_the_batch_and_remembers(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ends = Ends(model.vocab_size, [])
    sampler, sampling = Sampler(model), Sampling(max_tokens=6)
    expected = flat(sampler.sample(PROMPTS, SEEDS, sampling, ends))
    fake = OutOfMemory(monkeypatch, 3, error)
    got = flat(sampler.sample(PROMPTS, SEEDS, sampling, ends))
    assert [r.token_ids.tolist() for r in got] == [r.token_ids.tolist() for r in expected]
    assert fake.tried == [9, 4, 2, 2, 2, 2, 1] and sampler.rows == 2
    sampler.sample(PROMPTS, SEEDS, sampling, ends)
    assert fake.tried[7:] == [2, 2, 2, 2, 1]


def test_out_of_memory_with_one_row_says_so(model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    OutOfMemory(monkeypatch, 0, torch.OutOfMemoryError("no more"))
    with pytest.raises(RunError, match="single reply"):
        Sampler(model).sample(PROMPTS, SEEDS, Sampling(), Ends(model.vocab_size, []))


def test_other_errors_are_not_taken_for_out_of_memory(model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    OutOfMemory(monkeypatch, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        Sampler(model).sample(PROMPTS, SEEDS, Sampling(), Ends(model.vocab_size, []))


def test_broken_weights_are_reported(model: LlamaForCausalLM) -> None:
    broken = LlamaForCausalLM(model.config)
    with torch.no_grad():
        broken.lm_head.weight.fill_(float("nan"))
    with pytest.raises(RunError, match="not finite"):
        Sampler(broken).sample([[5]], [[1]], Sampling(max_tokens=3), Ends(model.vocab_size, []))


def test_the_model_is_left_in_the_mode_it_was_in(model: LlamaForCausalLM) -> None:
    model.train()
    Sampler(model).sample([[5]], [[1]], Sampling(max_tokens=2), Ends(model.vocab_size, []))
    assert model.training
    model.eval()


@pytest.mark.parametrize("micro_tokens", [1, 25, None])
def test_token_logprobs_agree_with_the_sampler(model: LlamaForCausalLM, micro_tokens: int | None) -> None:
    replies = Sampler(model).sample(PROMPTS, SEEDS, Sampling(0.7, max_tokens=20), Ends(model.vocab_size, range(30)))
    prompts = [prompt for prompt, own in zip(PROMPTS, SEEDS, strict=True) for _ in own]
    completions = [reply.token_ids.tolist() for reply in flat(replies)]
    scores = token_logprobs(model, [*prompts, [5]], [*completions, []], temperature=0.7, micro_tokens=micro_tokens)
    for score, reply in zip(scores, flat(replies), strict=False):
        assert score.dtype == np.float32 and np.abs(score - reply.logprobs).max() < 1e-5
    assert scores[-1].shape == (0,)


@pytest.mark.gpu
def test_on_a_gpu(model: LlamaForCausalLM) -> None:
    on_gpu = LlamaForCausalLM(model.config)
    on_gpu.load_state_dict(model.state_dict())
    on_gpu.to("cuda").eval()
    replies = Sampler(on_gpu).sample(PROMPTS, SEEDS, Sampling(0.7, max_tokens=40), Ends(model.vocab_size, range(30)))
    prompts = [prompt for prompt, own in zip(PROMPTS, SEEDS, strict=True) for _ in own]
    scores = token_logprobs(on_gpu, prompts, [r.token_ids.tolist() for r in flat(replies)], temperature=0.7)
    assert max(np.abs(a - r.logprobs).max() for a, r in zip(scores, flat(replies), strict=True)) < 1e-4
