"""`Match`: the verbs of a game's script, and the steps they hand to the engine.

Every verb that needs the outside world awaits a small step object (`Ask`, `Check`, `Call`, `Gather`, `Forfeit`); the
engine (`selfplay.driver`) receives it from `play`'s coroutine by `send`, so there is no event loop inside and the same
game runs in the arena, in a notebook and in a test with scripted replies.

Conversations. Each seat has a private conversation. An ask continues it; `after=move` continues from that move instead
(retries, trees, debates). What was told to the seat since then is delivered with the next ask. Asking for `n` replies
makes siblings and leaves no head, so the next ask to that seat names `after=`. Under `gather` each branch starts from a
copy of the conversations; afterwards a seat that moved in exactly one branch goes on from there, and one that moved in
several has no head.

Paths. Asks, tells, checks, calls and gathers are numbered steps; chance and sampling follow from where in the match
they are. Notes and the like are no steps: they carry the path of the step that comes next, so writing more of them
changes nothing else.

A `gather` ends when all its branches have: only then a foul that ended one of them ends the match, or an exception is
raised from the `await`. Of several the first branch's counts. So what a match becomes does not depend on which reply
came first.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from selfplay.errors import GameError, UnknownName
from selfplay.game import Foul, Game, Role
from selfplay.seeds import mix
from selfplay.steps import Ask, Call, Check, Forfeit, Gather
from selfplay.types import (
    Checker,
    Example,
    Fact,
    Json,
    Message,
    Move,
    Pairing,
    Path,
    Sampling,
    Turn,
    Verdict,
    finite,
    plain,
)

if TYPE_CHECKING:
    from selfplay.driver import Branch

T = TypeVar("T")

Seat = Role | str
"""A seat as games name it: a role with one seat, or a seat's name such as ``solver#2``."""


class Match:
    """One play of a game, as its script sees it. Made by the engine."""

    def __init__(self, game: Game, pairing: Pairing) -> None:
        self._game = game
        self._pairing = pairing
        self._branch: Branch
        """The branch being driven right now; kept by the engine."""
        self._moves: list[Move] = []
        """In the order in which the replies arrived, which is that of `moves` unless there was a `gather`."""
        self._forked = False
        self._facts: list[Fact] = []
        self._scores: dict[str, float] | None = None

    @functools.cached_property
    def task(self) -> Json:
        """The match's input, or `None`: a dataset row, a puzzle, a document, an item of the pool.

        A copy of its own: changing it changes no other match.
        """
        return plain(self._pairing.task.data, "the task")

    @property
    def moves(self) -> list[Move]:
        """All moves so far, in the order of the script (under `gather`: branch by branch)."""
        return sorted(self._moves, key=lambda move: path_of(move.id)) if self._forked else list(self._moves)

    @property
    def rng(self) -> random.Random:
        """The only chance a game may use; each branch of `gather` has its own."""
        return self._branch.rng

    # ------------------------------------------------------------------ asking

    @overload
    async def ask(
        self,
        role: Role,
        prompt: str,
        *,
        n: None = None,
        seat: int | str | None = None,
        after: Move | None = None,
        tag: str = "",
        group: str | None = None,
        learn: bool = True,
        secret: bool = False,
        stop: str | tuple[str, ...] = (),
        sampling: Mapping[str, Any] | None = None,
    ) -> Move: ...

    @overload
    async def ask(
        self,
        role: Role,
        prompt: str,
        *,
        n: int,
        seat: int | str | None = None,
        after: Move | None = None,
        tag: str = "",
        group: str | None = None,
        learn: bool = True,
        secret: bool = False,
        stop: str | tuple[str, ...] = (),
        sampling: Mapping[str, Any] | None = None,
    ) -> list[Move]: ...

    async def ask(
        self,
        role: Role,
        prompt: str,
        *,
        n: int | None = None,
        seat: int | str | None = None,
        after: Move | None = None,
        tag: str = "",
        group: str | None = None,
        learn: bool = True,
        secret: bool = False,
        stop: str | tuple[str, ...] = (),
        sampling: Mapping[str, Any] | None = None,
    ) -> Move | list[Move]:
        """Ask a seat for a reply, or for a list of `n` independent ones.

        A foul in a single ask applies the role's foul policy and then ends the match, in order. Among `n` replies it
        gives a move with `value=None` and its penalty already set.

        Args:
            role: who is asked; `seat` says which one if the role has several seats (its number from 1, or its name).
            prompt: what the seat is told, after everything `tell` has for it.
            n: how many siblings; without it, one move. ``n=1`` gives a list of one.
            after: continue from this earlier move of the same seat instead of from the seat's last one.
            tag: the kind of move, where a role makes several kinds; learning rules are keyed by (role, tag).
            group: moves with the same name share a baseline, instead of the default grouping; a name that begins with
                ``class:`` only says which class the move is of (see `selfplay.learning.groups`).
            learn: False asks without training (teacher, labeller, judge).
            secret: no other seat may ever see this prompt (watched by the conformance suite).
            stop: end the reply after the first of these strings.
            sampling: fields of `Sampling` that this ask overrides. With ``temperature``, ``top_p`` or ``top_k`` the
                replies are not trained on: learning assumes the distribution that the recipe samples from.

        Raises:
            GameError: the seat has no single conversation to go on from, or `after` is another seat's move.
        """
        name = self._seat(role, seat)
        if not isinstance(prompt, str):
            raise GameError(f"the prompt for {name} is {prompt!r:.80}; a str was expected")
        if n is not None and n < 1:
            raise GameError(f"{name} was asked for n={n} replies; 1 or more were expected")
        retries = 0 if n is not None else role.foul.retries
        while True:
            ask = Ask(self._branch.next_path(), role, name, 1 if n is None else n, n is not None)
            ask.tag, ask.group, ask.learn, ask.secret = tag, group, learn, secret
            self._continue(ask, after, prompt)
            if stop or sampling:
                ask.sampling = _overrides(stop, sampling)
            moves = await ask
            for move in moves:
                self._parse(role, move)
            if n is not None:
                return moves
            move = moves[0]
            if move.foul is None:
                return move
            if not retries:
                await Forfeit(move)
            retries -= 1
            move.mask("retried")
            after, prompt = move, f"{move.foul} Try again."

    async def extend(self, move: Move, *, stop: str | tuple[str, ...] = (), tag: str | None = None) -> Move:
        """Let the same reply go on, with nothing in between (rewarded segments: ReForm, arXiv 2510.24592).

        The new move's text is the continuation alone; its value is what the role makes of the continuation.
        """
        role = self._game.roles[move.role]
        ask = Ask(self._branch.next_path(), role, move.seat, 1, False)
        ask.parent = move
        ask.tag = move.tag if tag is None else tag
        ask.group, ask.learn, ask.secret = move.group, move.learn, move.secret
        if stop:
            ask.sampling = _overrides(stop, None)
        (more,) = await ask
        self._parse(role, more)
        if more.foul is not None:
            await Forfeit(more)
        return more

    async def gather(self, *branches: Awaitable[T]) -> list[T]:
        """Run branches in parallel and return their results in order.

        Each branch has its own path, random generator and copy of the conversations. `asyncio` objects do not belong
        here: pass coroutines that await `match` verbs. Fouls and exceptions wait for the other branches, see the
        module's text.
        """
        for branch in branches:
            if not isinstance(branch, Coroutine):
                for other in branches:
                    if isinstance(other, Coroutine):
                        other.close()
                raise GameError(f"match.gather takes coroutines, got {type(branch).__name__}")
        if not branches:
            return []
        return await Gather(self._branch.next_path(), branches)  # type: ignore[arg-type]

    def _continue(self, ask: Ask, after: Move | None, prompt: str) -> None:
        """Fill in the conversation that an ask goes on from."""
        branch, seat = self._branch, ask.seat
        if after is None:
            head = branch.heads.get(seat)
            if head is None and seat in branch.heads:
                raise GameError(f"seat {seat} made several replies at once: name the one to go on from with after=")
        else:
            if after.seat != seat:
                raise GameError(f"after= names a move of {after.seat}, but {seat} was asked")
            head = after
        ask.parent = head
        tells = branch.tells.get(seat)
        if tells:
            known = _told(head)
            fresh = [(path, text) for path, text in tells if path not in known]
            ask.told = tuple(path for path, _ in fresh)
            prompt = "\n\n".join([*(text for _, text in fresh), prompt])
        said = Message("user", prompt)
        ask.messages = (said,) if head is not None else (Message("system", ask.role.instructions), said)

    def _parse(self, role: Role, move: Move) -> None:
        try:
            move.value = role.parse(move.completion.text)
        except Foul as foul:
            move.penalise(str(foul) or "illegal reply", role.foul.reward)

    def _seat(self, role: Seat, seat: int | str | None = None) -> str:
        """The seat's name.

        Raises:
            GameError: no such seat, or the role has several and none was named.
        """
        seats = self._pairing.seats
        if isinstance(role, str):
            name = role
        elif seat is None:
            if len(role.seats) > 1:
                raise GameError(f"{role.name} has {len(role.seats)} seats: name one, for example {role.seats[0]!r}")
            name = role.name
        elif isinstance(seat, int):
            name = role.name if seat == 1 and len(role.seats) == 1 else f"{role.name}#{seat}"
        else:
            name = seat
        if name not in seats or not (isinstance(role, str) or name in role.seats):
            raise UnknownName("seat", name, seats, f"in game {self._game.name()}")
        return name

    # ------------------------------------------------------- telling and facts

    def tell(self, to: Seat | Literal["all"], text: str) -> None:
        """Add information to a seat's conversation (or everybody's); it is delivered with the next ask to the seat."""
        if not isinstance(text, str):
            raise GameError(f"match.tell got {text!r:.80}; a str was expected")
        path = self._branch.next_path()
        seats = list(self._pairing.seats) if to == "all" else [self._seat(to)]
        for seat in seats:
            self._branch.tells[seat] = (*self._branch.tells.get(seat, ()), (path, text))
        self._facts.append(Fact(path, "tell", {"seats": seats, "text": text}))

    def secret(self, seat: Seat, text: str) -> None:
        """Mark a text that no seat but this one may see; the conformance suite watches for leaks. Tells nobody."""
        self._fact("secret", {"seat": self._seat(seat), "text": text})

    def show(self, text: str) -> None:
        """Draw the board, for viewers."""
        self._fact("show", {"text": text})

    def note(self, **facts: Json) -> None:
        """Log facts about the match; viewers and reports tabulate them by name."""
        self._fact("note", facts)

    def publish(self, source: str, key: str, item: Json, *, solved: float | None = None, of: int | None = None) -> None:
        """Offer a task to a source: `item`, with how many of `of` attempts solved it. Later generations see it."""
        self._fact("publish", {"source": source, "key": key, "item": item, "solved": solved, "of": of})

    def remember(self, seat: Seat, text: str) -> None:
        """Write to the memory of this seat's (player, role); visible to later generations."""
        name = self._seat(seat)
        self._fact("remember", {"seat": name, "player": self._pairing.seats[name], "text": text})

    def _fact(self, kind: str, data: dict[str, Json]) -> None:
        self._facts.append(Fact(self._branch.here, kind, plain(data, f"match.{kind}")))

    # ------------------------------------------------------ judging and outside

    async def check(self, checker: Checker, claim: Any, *, about: Sequence[Move] | Move = ()) -> Verdict:
        """Have a checker judge `claim`.

        A checker that cannot tell gives `Outcome.NO_VERDICT` (an exception counts as that): it is tried once more, then
        the moves in `about` are masked. ``undecided`` masks them too, unless the game sets another reward afterwards by
        looking at the verdict itself (`move.why_masked = None`).
        """
        moves = [about] if isinstance(about, Move) else list(about)
        return await Check(self._branch.next_path(), checker, claim, moves)

    async def call(self, tool: str, args: Json) -> Json:
        """Use an outside service (search, retrieval) by name; the result is recorded, so replays need no service.

        A tool that fails, or that neither the run nor the game offers, ends the match as an error.
        """
        return await Call(self._branch.next_path(), tool, plain(args, f"match.call({tool!r})"))

    # ---------------------------------------------------- rewards and outcomes

    def pay(self, seat: Seat, reward: float, discount: float = 1.0) -> None:
        """Reward all moves of a seat: its last one gets `reward`, the one before `reward * discount`, and so on."""
        name = self._seat(seat)
        for move in reversed([move for move in self.moves if move.seat == name]):
            move.reward = reward
            reward *= discount

    def result(self, scores: Mapping[str, float] | None = None, /, **by_seat: float) -> None:
        """State the outcome for ratings; touches no reward. Seats left out score 0."""
        given = {**(scores or {}), **by_seat}
        for seat in given:
            self._seat(seat)
        self._scores = {seat: finite(given.get(seat, 0.0), f"result of {seat}") or 0.0 for seat in self._pairing.seats}

    def win(self, seat: Seat) -> None:
        """This seat scores 1, every other -1."""
        winner = self._seat(seat)
        self.result({s: 1.0 if s == winner else -1.0 for s in self._pairing.seats})

    def draw(self) -> None:
        """Everybody scores 0."""
        self.result({})

    def prefer(self, better: Move | Example, worse: Move | Example, weight: float = 1.0) -> None:
        """Record that `better` beats `worse` as a reply to the same prompt.

        Raises:
            GameError: the two do not answer the same prompt.
        """
        prompts = [x.prompt if isinstance(x, Example) else x.messages[-1].text for x in (better, worse)]
        if prompts[0] != prompts[1]:
            raise GameError("match.prefer compares replies to one prompt; these answer different prompts")
        self._fact("prefer", {"better": _reference(better), "worse": _reference(worse), "weight": weight})

    def example(self, role: Role, prompt: str, text: str, weight: float = 1.0) -> Example:
        """Record a target nobody sampled (a demonstration, a refined answer, a spliced recovery)."""
        self._fact("example", {"role": role.name, "prompt": prompt, "text": text, "weight": weight})
        return Example(role.name, prompt, text, weight)


def path_of(move_id: str) -> Path:
    """The path in a move's id (with the sibling's number, where there is one)."""
    return tuple(map(int, move_id.split(".")))


def reply_seed(sampling_seed: int, path: Path, sibling: int) -> int:
    """The seed of one reply: a function of the match's sampling seed and of where in the match it is."""
    seed = sampling_seed
    for step in path:
        seed = mix(seed, step)
    return mix(seed ^ 0x5E1F, sibling)


def merged(sampling: Sampling, overrides: Mapping[str, Any]) -> Sampling:
    """`sampling` with some fields replaced.

    Raises:
        UnknownName: a field that `Sampling` does not have.
    """
    fields = Sampling.__dataclass_fields__
    for name in overrides:
        if name not in fields:
            raise UnknownName("sampling setting", name, fields)
    return Sampling(**{name: overrides.get(name, getattr(sampling, name)) for name in fields})


def _overrides(stop: str | tuple[str, ...], sampling: Mapping[str, Any] | None) -> dict[str, Any]:
    extra = {"stop": (stop,) if isinstance(stop, str) else tuple(stop)} if stop else {}
    return {**(sampling or {}), **extra}


def _told(head: Move | None) -> set[Path]:
    """Which tells the conversation up to this move contains."""
    known: set[Path] = set()
    turn: Turn | None = head.turn if head else None
    while turn is not None:
        known.update(turn.told)
        turn = turn.parent
    return known


def _reference(item: Move | Example) -> dict[str, Json]:
    if isinstance(item, Move):
        return {"move": item.id}
    return {"role": item.role, "prompt": item.prompt, "text": item.text}
