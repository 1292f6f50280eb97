from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from selfplay.errors import UsageError
from selfplay.policies.chat import Chat
from selfplay.tiny.tokenizer import build_tokenizer
from selfplay.types import Message

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|system|>\nYou are helpful.<|end|>\n{% endif %}"
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""Adds a system message of its own, and writes a line break after the end of a turn."""
STRICT = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
    "<|{{ m['role'] }}|>{{ m['content'] | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Neither takes a system message nor two users in a row."""
TEMPLATES = {"tiny": None, "chatml": CHATML, "strict": STRICT}


def with_template(template: str | None) -> PreTrainedTokenizerFast:
    tokenizer = build_tokenizer()
    if template is not None:
        tokenizer.chat_template = template
    return tokenizer


def rendered(tokenizer: PreTrainedTokenizerFast, messages: list[Message]) -> str:
    turns = [{"role": m.role, "content": m.text} for m in messages]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("ended", [True, False])
def test_turn_by_turn_equals_the_template_on_the_whole(name: str, ended: bool) -> None:
    tokenizer = with_template(TEMPLATES[name])
    chat = Chat(tokenizer)
    first, second, third = Message("user", "2+2?"), Message("user", "and twice that?"), Message("user", "bye")
    ids = chat.opening([first])
    for reply, said in (("4", second), ("it is 8", third)):
        written = chat.reply(reply)
        ids += written if ended else written[:-1]
        ids += chat.continuation([said], ended)
    whole = [first, Message("assistant", "4"), second, Message("assistant", "it is 8"), third]
    assert tokenizer.decode(ids) == rendered(tokenizer, whole)


@pytest.mark.parametrize("name", TEMPLATES)
def test_end_of_turn_is_found(name: str) -> None:
    tokenizer = with_template(TEMPLATES[name])
    assert Chat(tokenizer).end_of_turn == tokenizer.convert_tokens_to_ids("<|end|>")


def test_models_without_a_template_get_a_plain_one() -> None:
    tokenizer = build_tokenizer()
    tokenizer.chat_template = None
    chat = Chat(tokenizer)
    opening = chat.opening([Message("system", "Be brief."), Message("user", "2+2?")])
    assert tokenizer.decode(opening) == "System: Be brief.\nUser: 2+2?\nAssistant:"
    assert chat.end_of_turn is None
    assert tokenizer.decode(chat.continuation([Message("user", "more")], ended=False)) == "\nUser: more\nAssistant:"


def test_what_a_template_refuses_is_said_as_the_user() -> None:
    tokenizer = with_template(STRICT)
    chat = Chat(tokenizer)
    opening = chat.opening([Message("system", "Rules."), Message("user", "Go."), Message("user", "Now.")])
    assert tokenizer.decode(opening) == "<|user|>Rules.\n\nGo.\n\nNow.<|end|><|assistant|>"
    later = chat.continuation([Message("system", "News."), Message("user", "Go on.")], ended=True)
    assert tokenizer.decode(later) == "<|user|>News.\n\nGo on.<|end|><|assistant|>"


def test_a_template_that_cannot_render_says_what(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UsageError, match=r"conversation of user, assistant, user: no chat"):
        Chat(with_template("{{ raise_exception('no chat') }}"))


FRAGMENTS = st.sampled_from(["<|end|>", "<|user|>", "<", "|", "end", "<|", "|>", "\n", "x"])


@given(st.lists(FRAGMENTS, max_size=12), st.booleans())
def test_text_cannot_forge_turns(parts: list[str], late: bool) -> None:
    text = "".join(parts)
    tokenizer = build_tokenizer()
    chat = Chat(tokenizer)
    specials = {tokenizer.convert_tokens_to_ids(t) for t in ("<|end|>", "<|user|>", "<|system|>")}
    said = [Message("user", text)]
    honest = [Message("user", "x")]
    for render in (chat.opening, lambda m: chat.continuation(m, late)):
        assert [i for i in render(said) if i in specials] == [i for i in render(honest) if i in specials]
    assert [i for i in chat.reply(text) if i in specials] == [chat.end_of_turn]
