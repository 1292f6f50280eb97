"""The values that travel between the parts of the framework; everybody may import this module, it imports nobody.

    Pairing -> Match -> Request -> policy -> Completion -> Move -> MatchRecord -> Row -> learner

Vocabulary: a *match* is one play of a game; a *seat* is a role's slot in it (``solver`` or ``solver#2``); a *move* is
one reply of one seat; a *turn* is a node of a seat's conversation; a *row* is what the learner takes.
Array suffixes: ``T`` tokens. Token ids are ``int32``, log-probabilities ``float32`` natural logarithms of the
distribution that was sampled from (after temperature).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from selfplay.errors import GameError, NoVerdict, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    TokenIds = NDArray[np.int32]
    Logprobs = NDArray[np.float32]

Json = Any
"""Whatever `json.dumps` takes: the type of tasks, published items, notes and tool results."""

Path = tuple[int, ...]
"""Where in a match something happened: step numbers, and branch numbers under `gather`; sorts in playing order. What is
no step itself (a note) has the path of the step that follows it."""


class Message(NamedTuple):
    """One entry of a conversation."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a policy draws its tokens."""

    temperature: float = 1.0
    """0 means greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 means all."""
    max_tokens: int = 256
    """Longest reply, in tokens."""
    stop: tuple[str, ...] = ()
    """The reply ends after the first of these strings, which stays part of it."""

    def __post_init__(self) -> None:
        for name, allowed, fine in (
            ("temperature", "a number of at least 0", _number(self.temperature) and self.temperature >= 0),
            ("top_p", "a number in (0, 1]", _number(self.top_p) and 0 < self.top_p <= 1),
            ("top_k", "a whole number of at least 0", type(self.top_k) is int and self.top_k >= 0),
            ("max_tokens", "a whole number of at least 1", type(self.max_tokens) is int and self.max_tokens >= 1),
            ("stop", "strings that are not empty", all(isinstance(text, str) and text for text in self.stop)),
        ):
            if not fine:
                raise UsageError(f"sampling setting {name} is {getattr(self, name)!r}; allowed: {allowed}")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and value - value == 0.0  # neither nan nor infinite


class FinishReason(StrEnum):
    """Why a reply ended."""

    STOP = "stop"
    """The policy ended it: end-of-turn token or a stop string."""
    LENGTH = "length"
    """It ran into `Sampling.max_tokens` or the model's context."""


@dataclass(slots=True, eq=False)
class Completion:
    """One reply as a policy gives it, with the tokens exactly as they were sampled.

    Policies that do not know their tokens (people, bots, most HTTP endpoints) leave the three arrays `None`; such moves
    cannot be trained on.
    """

    text: str
    prompt_ids: TokenIds | None = None
    """The ids that this request added to the conversation before the reply (not the whole prefix)."""
    token_ids: TokenIds | None = None
    logprobs: Logprobs | None = None
    finish_reason: FinishReason = FinishReason.STOP
    weights_version: int = 0


@dataclass(slots=True, eq=False)
class Turn:
    """A node of a seat's conversation: what was said to the seat since `parent`, and what it replied.

    Append-only: a turn is never rendered again, so the tokens of a prefix are those that were really sampled.
    """

    parent: Turn | None
    messages: tuple[Message, ...]
    completion: Completion
    told: tuple[Path, ...] = ()
    """Which `tell`s this turn delivered."""

    def conversation(self) -> list[Message]:
        """All messages up to and including this reply."""
        turns: list[Turn] = []
        node: Turn | None = self
        while node is not None:
            turns.append(node)
            node = node.parent
        out: list[Message] = []
        for turn in reversed(turns):
            if turn.messages:
                out += [*turn.messages, Message("assistant", turn.completion.text)]
            else:  # `extend`: the same reply went on
                out[-1] = Message("assistant", out[-1].text + turn.completion.text)
        return out


@dataclass(slots=True, eq=False)
class Request:
    """Ask a policy for `n` replies to one conversation."""

    role: str
    seat: str
    parent: Turn | None
    """The conversation so far; `None` at its start."""
    messages: tuple[Message, ...]
    """What is new since `parent`; empty means: go on with the same reply, no template in between."""
    sampling: Sampling
    seeds: tuple[int, ...]
    """One 64-bit seed per wanted reply; reply i depends on seeds[i] and the conversation alone."""
    number: int = 0
    """The match's number in its generation; with `path`, the order of requests within a batch."""
    path: Path = ()

    def conversation(self) -> list[Message]:
        """All messages the seat sees."""
        return [*(self.parent.conversation() if self.parent else ()), *self.messages]


class Policy(Protocol):
    """What writes text: a local model, an endpoint, a script, a person."""

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Replies for each request, `len(request.seeds)` of them, in order. Called from one thread at a time."""


@dataclass(frozen=True, slots=True)
class Player:
    """A named entry of the league: a policy with sampling settings."""

    name: str
    policy: Policy
    sampling: Sampling = field(default_factory=Sampling)


class Inline:
    """Mix-in for policies that answer at once or talk to the person at the terminal: the arena calls them on its own
    thread instead of giving them a worker."""


class Outcome(StrEnum):
    """What a check found. "Could not tell" is never "wrong"."""

    PASS = "pass"
    """The claim holds."""
    FAIL = "fail"
    """The claim does not hold, or a deterministic budget (CPU, output, memory, rlimit) was spent."""
    UNDECIDED = "undecided"
    """A sound but incomplete checker neither proved nor refuted it: 0 for selection, masked for policy gradient."""
    INVALID_CLAIM = "invalid_claim"
    """The claim itself is no good (vacuous, ill-formed); `blame` names the role that made it."""
    NO_VERDICT = "no_verdict"
    """Infrastructure trouble: nothing is known about the claim. The moves it is about are masked."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement from outside the players.

    Raises:
        NoVerdict: on `bool(verdict)` when `outcome` is `NO_VERDICT`.
    """

    outcome: Outcome
    score: float | None = None
    """Partial credit in [0, 1] where the checker gives it."""
    status: str = ""
    """The checker's own finer word, for example ``PROVED`` or ``TIMEOUT``."""
    blame: str | None = None
    detail: str = ""

    def __bool__(self) -> bool:
        if self.outcome is Outcome.NO_VERDICT:
            why = f"{self.status or 'no status'}: {self.detail}"
            raise NoVerdict(f"the check gave no verdict ({why}); that is not a failure")
        return self.outcome is Outcome.PASS


Checker = Callable[[Any], "Verdict | bool | float"]
"""Judges one claim. A bool is pass or fail, a float in [0, 1] a score (1 passes). Raising means "could not tell"."""


class Move:
    """One reply of one seat. Games read `text` and `value` and set `reward`; all else is the engine's.

    `reward` starts as `None`: the move is masked, it teaches nothing and is in no baseline. A move that was a foul has
    the reward its role's foul policy gave it; setting it again changes nothing, so a loop over answers needs no special
    case. Set `keep` to select the move for supervised learning.
    """

    __slots__ = (
        "_reward",
        "completion",
        "foul",
        "group",
        "id",
        "keep",
        "learn",
        "messages",
        "parent",
        "player",
        "role",
        "seat",
        "secret",
        "tag",
        "turn",
        "value",
        "why_masked",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        parent: Move | None,
        role: str,
        seat: str,
        tag: str,
        group: str | None,
        player: str,
        learn: bool,
        secret: bool,
        messages: tuple[Message, ...],
        completion: Completion,
        turn: Turn,
    ) -> None:
        self.id = id
        """Path of the ask, and the sibling's number where one ask made several: ``3``, ``3.0``, ``4.1.0``."""
        self.parent = parent
        """The move whose conversation this one continues."""
        self.role = role
        self.seat = seat
        self.tag = tag
        """The kind of move, where a role makes several kinds; empty by default."""
        self.group = group
        """Baseline group given by `ask(group=)`; `None` means the default key of `selfplay.learning.groups`."""
        self.player = player
        self.learn = learn
        """May be trained on: the ask allowed it and the matchmaker lets this seat learn in this match."""
        self.secret = secret
        self.messages = messages
        """What was said to the seat just before this reply."""
        self.completion = completion
        self.turn = turn
        self.value: Any = None
        """What the role's parser made of the text; `None` after a foul."""
        self.foul: str | None = None
        """Why the reply does not count, or `None`."""
        self.why_masked: str | None = None
        """Set when the move must not be learned from (an undecided check, a masked foul)."""
        self.keep = False
        self._reward: float | None = None

    @property
    def text(self) -> str:
        """The reply as written. Hostile: never evaluate it."""
        return self.completion.text

    @property
    def reward(self) -> float | None:
        """What this reply earned; `None` masks it."""
        return None if self.why_masked else self._reward

    @reward.setter
    def reward(self, value: float | None) -> None:
        if self.foul is not None:
            return
        self._reward = finite(value, f"reward of move {self.id}")

    def penalise(self, why: str, reward: float | None) -> None:
        """Make this a foul that costs `reward` (`None`: masked)."""
        self.foul = why
        self._reward = finite(reward, f"foul reward of move {self.id}")
        if reward is None:
            self.why_masked = "foul"

    def mask(self, why: str) -> None:
        """Take the move out of learning and out of every baseline."""
        self.why_masked = why

    def __repr__(self) -> str:
        return f"<Move {self.id} {self.seat} {self.text[:40]!r} reward={self.reward}>"


def finite(value: float | None, what: str) -> float | None:
    """`value` as a float.

    Raises:
        GameError: it is not a finite number.
    """
    if value is None:
        return None
    number = float(value)
    if number - number != 0.0:  # nan and both infinities
        raise GameError(f"{what} is {value!r}; a finite number or None was expected")
    return number


def plain(value: Json, what: str) -> Json:
    """A copy of `value` in plain JSON values (a tuple becomes a list), so that what is recorded cannot change later.

    Raises:
        GameError: JSON cannot hold it.
    """
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and value - value == 0.0:
        return value
    if isinstance(value, list | tuple):
        return [plain(item, what) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(item, what) for key, item in value.items()}
    raise GameError(
        f"{what} holds {value!r:.80} ({type(value).__name__}); plain JSON values were expected: "
        "None, bool, int, finite float, str, list, dict with str keys"
    )


@dataclass(frozen=True, slots=True)
class Example:
    """A target nobody sampled: a demonstration, a refined answer, a spliced recovery."""

    role: str
    prompt: str
    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """A match's input, and where it came from."""

    data: Json = None
    source: str = ""
    key: str = ""


@dataclass(slots=True)
class Pairing:
    """Who plays what: the order for one match."""

    game: str
    """Game id or ``path/to/file.py:Class``."""
    seats: Mapping[str, str]
    """Seat -> player."""
    learns: Mapping[str, bool]
    """Seat -> may the moves of this seat be trained on."""
    seed: int
    """Fixes the rules' chance; replicas of one deal share it."""
    number: int = 0
    """The match's number in its generation; with `generation` it fixes the sampling, so replicas differ."""
    generation: int = 0
    replica: int = 0
    task: Task = field(default_factory=Task)
    sampling_seed: int = 0

    @property
    def id(self) -> str:
        """The match's name in logs and commands, for example ``g0003-m0012``."""
        return f"g{self.generation:04d}-m{self.number:04d}"


class Fact(NamedTuple):
    """Something that happened in a match besides moves: a tell, a verdict, a tool result, a note."""

    path: Path
    kind: str
    """``tell secret show note publish remember prefer example check call``"""
    data: dict[str, Json]


class Ending(StrEnum):
    """How a match ended."""

    OK = "ok"
    """`play` returned."""
    FOUL = "foul"
    """A foul in a single ask ended it, in order; `MatchRecord.forfeit` names the seat."""
    ERROR = "error"
    """The game raised, hung, never ended, or a policy failed; nothing in it is learned from."""


@dataclass(slots=True, eq=False)
class MatchRecord:
    """All there is to know about a finished match: enough to replay it byte for byte without a model."""

    pairing: Pairing
    config: dict[str, Json]
    """The game's settings."""
    moves: list[Move]
    """In path order."""
    facts: list[Fact]
    """In path order."""
    result: dict[str, float] | None
    """Seat -> score, for ratings; `None` if the game states none."""
    ending: Ending
    forfeit: str | None = None
    error: str | None = None

    @property
    def id(self) -> str:
        return self.pairing.id


class Edit(NamedTuple):
    """A change of one move's reward that needed the whole batch to be known; made by `Game.settle`, logged."""

    match: str
    move: str
    reward: float | None
    why: str


@dataclass(slots=True, eq=False)
class Row:
    """One trajectory piece for the learner: consecutive moves of one seat whose prompts extend each other exactly.

    The arrays of length ``T`` belong to `completion_ids`: everything after the first prompt, the tokens of later
    prompts included (their `mask` is False).
    """

    prompt_ids: TokenIds
    completion_ids: TokenIds
    mask: NDArray[np.bool_]
    """(T,) True where the policy sampled the token and may learn from it."""
    logprobs: Logprobs
    """(T,) log-probabilities under the policy that sampled them."""
    advantages: NDArray[np.float32]
    """(T,)"""
    role: str
    tag: str
    player: str
    weights_version: int
    match: str = ""
    moves: tuple[str, ...] = ()
    ref_logprobs: Logprobs | None = None
    """(T,) log-probabilities under the frozen reference, where a KL term asks for them."""
