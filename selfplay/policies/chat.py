"""Messages into token ids, through the tokenizer's own chat template, append-only.

A conversation is never rendered twice: a reply stays the tokens that were sampled, and what is said after it is
rendered alone. To learn how a template continues after a reply, a short stand-in conversation with a marker for the
reply is rendered, and what follows the marker is taken (end of turn included, unless the reply already wrote it).

Message text cannot forge turns: special tokens written out in it are broken with a zero-width space. Models without a
template get `PLAIN`. Consecutive messages of one role are joined, and a system message that the template refuses (or
that comes later than first) is said as the user, because many templates allow neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from selfplay.errors import UsageError
from selfplay.types import Message, Turn

PLAIN = (
    "{{ bos_token or '' }}{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Template of models that have none."""

_MARKER = "MARKEDREPLY"
_STAND_IN = (Message("user", "question"), Message("assistant", _MARKER))


class Chat:
    """Renders conversations for one tokenizer.

    Attributes:
        end_of_turn: id of the token that the template writes after a reply, or `None` if it writes none.

    Raises:
        UsageError: the template cannot render "user, assistant, user".
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self._template = tokenizer.get_chat_template() if tokenizer.chat_template else PLAIN
        specials = sorted(filter(None, tokenizer.all_special_tokens), key=len, reverse=True)
        self._specials = re.compile("|".join(map(re.escape, specials)) or r"(?!)")
        self._system = self._takes_system()
        self._after = self._after_reply((Message("user", "question"),))
        self.end_of_turn, self._closing = self._find_end_of_turn()

    def opening(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a conversation from its start, up to where the reply begins."""
        return self._encode(self._render(messages))

    def continuation(self, messages: Sequence[Message], ended: bool) -> list[int]:
        """Ids that follow a reply: the end of its turn unless it `ended` with that token, then `messages`."""
        after = self._after_reply(messages)
        return self._encode(after.removeprefix(self._closing) if ended else after)

    def reply(self, text: str) -> list[int]:
        """Ids of a reply nobody sampled (a bot's, a demonstration's), with its end-of-turn token."""
        end = [] if self.end_of_turn is None else [self.end_of_turn]
        return self._encode(self._harmless(text)) + end

    def new_ids(self, messages: Sequence[Message], prefix: Sequence[int]) -> list[int]:
        """Ids that `messages` add to a conversation of ids `prefix`; none where the same reply is to go on."""
        if not prefix:
            return self.opening(messages)
        return self.continuation(messages, ended=prefix[-1] == self.end_of_turn) if messages else []

    def prefix_ids(self, turn: Turn | None) -> list[int]:
        """Ids of a conversation up to and including this turn's reply: as sampled, or made where nobody knows them."""
        turns = []
        while turn is not None:
            turns.append(turn)
            turn = turn.parent
        ids: list[int] = []
        for turn in reversed(turns):
            given, reply = turn.completion.prompt_ids, turn.completion.token_ids
            ids += self.new_ids(turn.messages, ids) if given is None else given.tolist()
            ids += self.reply(turn.completion.text) if reply is None else reply.tolist()
        return ids

    def _after_reply(self, messages: Sequence[Message]) -> str:
        return self._render([*_STAND_IN, *messages]).partition(_MARKER)[2]

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": m.role, "content": m.text} for m in self._joined(messages)]
        try:
            text = self.tokenizer.apply_chat_template(
                turns, chat_template=self._template, tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            roles = ", ".join(turn["role"] for turn in turns)
            raise UsageError(f"this model's chat template cannot render a conversation of {roles}: {error}") from error
        return str(text)

    def _joined(self, messages: Sequence[Message]) -> list[Message]:
        out: list[Message] = []
        for i, (role, text) in enumerate(messages):
            if role == "system" and (i > 0 or not self._system):
                role = "user"
            text = self._harmless(text)
            if out and out[-1].role == role:
                out[-1] = Message(role, f"{out[-1].text}\n\n{text}")
            else:
                out.append(Message(role, text))
        return out

    def _harmless(self, text: str) -> str:
        return self._specials.sub(lambda match: f"{match[0][:1]}\u200b{match[0][1:]}", text)

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _takes_system(self) -> bool:
        self._system = True
        try:
            return _MARKER in self._render([Message("system", _MARKER), Message("user", "question")])
        except UsageError:
            return False

    def _find_end_of_turn(self) -> tuple[int | None, str]:
        """The first special token after a reply, and the text up to and including it."""
        specials = set(self.tokenizer.all_special_ids)
        for i in self._encode(self._after)[:2]:
            if i in specials:
                token = str(self.tokenizer.convert_ids_to_tokens(i))
                return i, self._after[: self._after.index(token) + len(token)]
        return None, ""
