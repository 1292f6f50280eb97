"""When a reply is over: end tokens, and stop strings found in the decoded text.

Decoding every row at every step would cost more than a small model does. A stop string can only be complete when its
last character has just been written, so only rows whose newest token contains such a character are decoded, and of
those only the tail that could hold the string.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

if TYPE_CHECKING:
    from selfplay.types import TokenIds


class Pieces:
    """The text that each token adds to what stands before it; the table for stop strings is made once per tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self._texts: list[str] | None = None

    def texts(self) -> list[str]:
        """One text per id, as written after other text (tokenizers strip spaces at the start of a text)."""
        if self._texts is None:
            before = self.tokenizer.encode("a", add_special_tokens=False)
            self._texts = [self.decode([i], before) for i in range(len(self.tokenizer))]
        return self._texts

    def decode(self, ids: Sequence[int], before: Sequence[int] = ()) -> str:
        """Text that `ids` add after the ids `before`: without special tokens, otherwise exactly as written."""
        text = self._decode([*before, *ids])
        return text[len(self._decode(before)) :] if before else text

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


class Ends:
    """Says which rows a newest token ends.

    Args:
        pieces: the tokenizer's texts; needed for `stop` only.
        vocabulary: number of logits of the model.
        end_ids: tokens that end a reply.
        stop: strings that end a reply.
    """

    def __init__(
        self, vocabulary: int, end_ids: Iterable[int], pieces: Pieces | None = None, stop: tuple[str, ...] = ()
    ) -> None:
        self.stop = tuple(s for s in stop if s)
        self.pieces = pieces
        self._ends = np.zeros(vocabulary, dtype=np.bool_)
        self._ends[list(end_ids)] = True
        self._may_stop = np.zeros(vocabulary, dtype=np.bool_)
        if self.stop and pieces is not None:
            last = {s[-1] for s in self.stop} | {"\ufffd"}  # a token may hold only some bytes of a character
            self._may_stop[: len(pieces.texts())] = [not last.isdisjoint(text) for text in pieces.texts()]
            self._tail = 4 * max(map(len, self.stop)) + 4  # a token may be a single byte, a character up to four

    def after(
        self, newest: NDArray[np.integer], ids: TokenIds, rows: NDArray[np.integer], step: int
    ) -> NDArray[np.bool_]:
        """(B,) whether the row is over; `ids` is (all rows, T) with columns up to `step` written."""
        over: NDArray[np.bool_] = self._ends[newest]
        if self.stop:
            for slot in np.flatnonzero(self._may_stop[newest] & ~over):
                over[slot] = self._has_stop(ids[rows[slot], max(0, step + 1 - self._tail) : step + 1])
        return over

    def _has_stop(self, tail: TokenIds) -> bool:
        assert self.pieces is not None
        text = self.pieces.decode(tail.tolist())
        return any(s in text for s in self.stop)

    def cut(self, text: str) -> str:
        """`text` up to and including the first stop string in it."""
        places = [(text.index(s), len(s)) for s in self.stop if s in text]
        if not places:
            return text
        start, length = min(places)
        return text[: start + length]
