from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from selfplay.game import Demo
from selfplay.policies.chat import Chat
from selfplay.tiny.tokenizer import SPECIALS, build_tokenizer, find_phrases
from selfplay.types import Message

Stream = Callable[[int], Iterator[Demo]]
TOKENIZER = build_tokenizer(["Numbers: ", " and ", "and", "<answer>", "Zahl: ", "größer", "Go.\n"])


@given(
    st.text() | st.lists(st.sampled_from(["Numbers: ", " and ", "<answer", "größer", "Go.\n", "7", "é"])).map("".join)
)
def test_any_text_survives(text: str) -> None:
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    assert TOKENIZER.decode(ids, clean_up_tokenization_spaces=False) == text


def test_it_survives_its_files(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "Numbers: 3 and 4. größer <answer>☃"
    assert again.encode(text) == TOKENIZER.encode(text) and again.decode(again.encode(text)) == text
    assert again.get_vocab() == TOKENIZER.get_vocab()
    assert [again.pad_token, again.eos_token] == ["<|pad|>", "<|end|>"]
    chat = [{"role": "user", "content": "3"}]
    assert again.apply_chat_template(chat, tokenize=False) == TOKENIZER.apply_chat_template(chat, tokenize=False)


def test_constant_text_costs_one_token(sums: Stream) -> None:
    phrases = find_phrases(itertools.islice(sums(0), 500))
    tokenizer = build_tokenizer(phrases)
    chat = Chat(tokenizer)
    adder, setter = itertools.islice(sums(1), 2)
    # marker, instructions, marker, prompt, marker
    assert len(chat.opening(setter.messages)) == 5
    # its prompt is "Numbers: ", digit, " and ", digit, ". Their sum?"
    assert len(chat.opening(adder.messages)) == 9
    assert len(chat.reply("<answer>7</answer>")) == 4


def test_digits_and_operators_stay_single(sums: Stream) -> None:
    phrases = find_phrases(itertools.islice(sums(0), 500))
    constant = {message.text for demo in itertools.islice(sums(0), 2) for message in demo.messages}
    assert not [p for p in phrases if p not in constant and any(c in "0123456789+-*=" for c in p)]


def test_replies_are_not_learned_by_heart() -> None:
    same = [Demo("a", (Message("user", f"{i}?"),), "yes it is\nreally 42") for i in range(100)]
    assert "yes it is\nreally 42" not in find_phrases(same)
    assert not any("42" in phrase for phrase in find_phrases(same))


def test_phrases_are_a_function_of_the_demonstrations_and_limited(sums: Stream) -> None:
    first = find_phrases(itertools.islice(sums(0), 500))
    assert first == find_phrases(itertools.islice(sums(0), 500))
    assert find_phrases(itertools.islice(sums(0), 500), limit=3) == first[:3]
    assert find_phrases([]) == []


def test_the_vocabulary_is_bytes_markers_and_phrases() -> None:
    assert len(TOKENIZER) == 256 + len(SPECIALS) + 6  # "größer" is left to the bytes
    assert len(build_tokenizer()) == 256 + len(SPECIALS)
