from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from selfplay.policies.hf import LocalPolicy
from selfplay.types import Completion, FinishReason, Message, Request, Sampling, Turn

SYSTEM, ASK, MORE = Message("system", "Guess a number."), Message("user", "Go."), Message("user", "Too low. Again.")


@pytest.fixture
def policy(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> LocalPolicy:
    return LocalPolicy(model, tokenizer, weights_version=3)


def request(parent: Turn | None, *messages: Message, seeds: tuple[int, ...] = (1,), **sampling: object) -> Request:
    return Request("guesser", "guesser", parent, messages, Sampling(**{"max_tokens": 12, **sampling}), seeds)  # type: ignore[arg-type]


def ids_of(turn: Turn) -> list[int]:
    """What the turn's completion says of the conversation's ids, joined."""
    earlier = ids_of(turn.parent) if turn.parent else []
    assert turn.completion.prompt_ids is not None and turn.completion.token_ids is not None
    return earlier + turn.completion.prompt_ids.tolist() + turn.completion.token_ids.tolist()


def plain_logprobs(model: LlamaForCausalLM, ids: list[int], replied: int) -> np.ndarray:
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return scores.gather(-1, torch.tensor(ids[1:])[:, None])[-replied:, 0].numpy()


def test_a_conversation_grows_by_appending_only(policy: LocalPolicy, model: LlamaForCausalLM) -> None:
    (first,) = policy.complete([request(None, SYSTEM, ASK)])[0]
    start = Turn(None, (SYSTEM, ASK), first)
    (second,) = policy.complete([request(start, MORE)])[0]
    then = Turn(start, (MORE,), second)
    ids = ids_of(then)
    assert ids[: len(ids_of(start))] == ids_of(start)
    assert policy.chat.prefix_ids(then) == ids
    text = policy.tokenizer.decode(ids)
    assert text.startswith("<|system|>Guess a number.<|user|>Go.<|assistant|>")
    assert "<|end|><|user|>Too low. Again.<|assistant|>" in text and text.count("<|user|>") == 2
    assert second.logprobs is not None and second.weights_version == 3
    assert np.abs(plain_logprobs(model, ids, len(second.logprobs)) - second.logprobs).max() < 1e-5


def test_continuing_a_reply_adds_nothing_in_between(policy: LocalPolicy, model: LlamaForCausalLM) -> None:
    (whole,) = policy.complete([request(None, SYSTEM, ASK, max_tokens=9, temperature=0.0)])[0]
    (head,) = policy.complete([request(None, SYSTEM, ASK, max_tokens=4, temperature=0.0)])[0]
    assert head.finish_reason is FinishReason.LENGTH
    (tail,) = policy.complete([request(Turn(None, (SYSTEM, ASK), head), max_tokens=5, temperature=0.0)])[0]
    assert head.token_ids is not None and tail.token_ids is not None and whole.token_ids is not None
    assert [*head.token_ids, *tail.token_ids] == whole.token_ids.tolist()
    assert tail.prompt_ids is not None and tail.prompt_ids.size == 0


def test_a_reply_that_has_ended_is_continued_by_nothing(policy: LocalPolicy) -> None:
    ended = Completion("5", token_ids=np.array(policy.chat.reply("5"), np.int32))
    pair = policy.complete([request(Turn(None, (SYSTEM, ASK), ended), seeds=(1, 2))])[0]
    assert [c.text for c in pair] == ["", ""] and all(c.finish_reason is FinishReason.STOP for c in pair)
    assert all(c.token_ids is not None and c.token_ids.size == 0 for c in pair)


def test_turns_of_others_are_rendered(policy: LocalPolicy) -> None:
    """A bot or a person made the earlier reply, so it has no ids."""
    turn = Turn(Turn(None, (SYSTEM, ASK), Completion("5")), (MORE,), Completion("6"))
    expected = "<|system|>Guess a number.<|user|>Go.<|assistant|>5<|end|><|user|>Too low. Again.<|assistant|>6<|end|>"
    assert policy.tokenizer.decode(policy.chat.prefix_ids(turn)) == expected


def test_replies_come_back_in_order_whatever_the_batch(policy: LocalPolicy) -> None:
    asks = [
        request(None, SYSTEM, Message("user", f"Go {i}." * (i % 3 + 1)), seeds=tuple(range(i, 2 * i)), temperature=t)
        for i, t in enumerate([1.0, 0.5, 1.0, 0.0, 0.5], start=1)
    ]
    together = policy.complete(asks)
    assert [len(own) for own in together] == [1, 2, 3, 4, 5]
    for ask, own in zip(asks, together, strict=True):
        alone = policy.complete([ask])[0]
        assert [c.text for c in alone] == [c.text for c in own]
        assert [c.finish_reason for c in alone] == [c.finish_reason for c in own]


def test_stop_strings_end_the_text(policy: LocalPolicy) -> None:
    """A token that goes on beyond the stop string stays whole among the ids; the text ends with the string."""
    free = policy.complete([request(None, ASK, seeds=tuple(range(300)))])[0]
    long = next(c for c in free if "</answer>" in c.text)
    seed = free.index(long)
    (cut,) = policy.complete([request(None, ASK, seeds=(seed,), stop=("/ans",))])[0]
    assert cut.text == long.text[: long.text.index("/ans") + 4]
    assert cut.finish_reason is FinishReason.STOP
    assert cut.token_ids is not None and long.token_ids is not None
    assert cut.token_ids.tolist() == long.token_ids.tolist()[: len(cut.token_ids)]


def test_the_end_token_is_sampled_but_not_read(policy: LocalPolicy) -> None:
    replies = policy.complete([request(None, ASK, seeds=tuple(range(200)), max_tokens=60)])[0]
    ended = [c for c in replies if c.finish_reason is FinishReason.STOP]
    assert ended
    for c in ended:
        assert c.token_ids is not None and c.token_ids[-1] == policy.chat.end_of_turn
        assert "<|end|>" not in c.text


def test_it_can_be_called_from_a_worker_thread(policy: LocalPolicy) -> None:
    ask = request(None, SYSTEM, ASK, seeds=(1, 2))
    got: list[list[list[Completion]]] = []
    thread = threading.Thread(target=lambda: got.append(policy.complete([ask])))
    thread.start()
    thread.join()
    assert [c.text for c in got[0][0]] == [c.text for c in policy.complete([ask])[0]]
