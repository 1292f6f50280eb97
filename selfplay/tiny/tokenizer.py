"""The tiny models' tokenizer: 256 bytes, a few turn markers, and whole phrases that its games say again and again.

Any UTF-8 text survives encoding and decoding exactly, because what is not a known phrase goes byte by byte. *Phrases*
are found in demonstrations: constant messages (a role's instructions) cost one token each, so do frequent lines, word
groups and words. Digits and the characters of arithmetic stay single, or the model could not learn to calculate.

The chat template writes a marker before every message, and an end token after each reply only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from selfplay.game import Demo

PAD, END, SYSTEM, USER, ASSISTANT = SPECIALS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

CONSTANT_SHARE = 0.1
"""Share of a role's demonstrations in which a whole message or line must occur to become a phrase."""
FREQUENT_SHARE = 0.02
"""The same for word groups and words."""
SHORTEST = 2
"""Characters in the shortest phrase."""


def build_tokenizer(phrases: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """A tokenizer that knows these phrases (ASCII only; others are left to the bytes)."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(text, normalized=False) for text in SPECIALS])
    core.add_tokens([AddedToken(text, normalized=False) for text in phrases if text.isascii()])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=END, chat_template=TEMPLATE,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT], clean_up_tokenization_spaces=False,
    )  # fmt: skip


def find_phrases(demos: Iterable[Demo], limit: int = 128) -> list[str]:
    """The phrases worth a token, whole messages first, then the more frequent ones, at most `limit`."""
    texts: list[tuple[str, str]] = []
    per_role: Counter[str] = Counter()
    replies: list[tuple[str, str]] = []
    for demo in demos:
        per_role[demo.role] += 1
        texts += [(demo.role, message.text) for message in demo.messages if message.role != "assistant"]
        replies += [(demo.role, message.text) for message in demo.messages if message.role == "assistant"]
        replies.append((demo.role, demo.reply))
    found: dict[str, None] = {}
    for split, share in _LEVELS:
        if split is _word_groups:
            texts = texts + replies  # a reply's lines are what the model is to compose itself
        pieces = [(role, piece) for role, text in texts for piece in split(text)]
        counts = Counter(pieces)
        frequent = {
            piece
            for (role, piece), count in counts.most_common()
            if count >= share * per_role[role] and len(piece) >= SHORTEST
        }
        found.update(dict.fromkeys(sorted(frequent, key=lambda p: (-sum(counts[r, p] for r in per_role), p))))
        texts = [(role, piece) for role, piece in pieces if piece not in frequent]
    return list(found)[:limit]


def _whole(text: str) -> list[str]:
    return [text]


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _word_groups(text: str) -> list[str]:
    return re.findall(r"</?[A-Za-z][\w-]*>|[^0-9+\-*/=()<>]+", text)


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+", text)


_LEVELS: list[tuple[Callable[[str], list[str]], float]] = [
    (_whole, CONSTANT_SHARE),
    (_lines, CONSTANT_SHARE),
    (_word_groups, FREQUENT_SHARE),
    (_words, FREQUENT_SHARE),
]
