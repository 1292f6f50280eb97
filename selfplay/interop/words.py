"""What PettingZoo's environments show and take, in words.

    0 1 X          Card: Q, public card: none. Chips: you 1, they 2.          observation = 0.15 -0.3 1.2
    3 O 5          Moves: call | raise | fold                                 Moves: 0 | 1 | 2 | 3 | 4
    6 7 8
    Moves: 0 | 1 | 3 | 5 | 6 | 7 | 8

Without words of its own an environment shows its numbers: arrays of two dimensions as rows, of three as one plane per
channel; actions are named by their numbers. `KNOWN` has words for some; give others with
``from_pettingzoo(env_fn, words=Words(...))``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from selfplay.errors import UsageError

LONGEST = 1000
"""So many numbers may be shown as they are."""


def plain_action(env: Any, agent: Any, action: int) -> str:
    """The action's number."""
    return str(action)


@dataclass(frozen=True, slots=True)
class Words:
    """How one environment is told and understood."""

    rules: str
    """What every role is told at the beginning."""
    see: Callable[[Any, Any, Any], str]
    """(environment, agent, observation) -> what the agent is shown; the observation is without its action mask."""
    name: Callable[[Any, Any, int], str] = plain_action
    """(environment, agent, action) -> its name, different for every legal action."""


def words_for(env: Any) -> Words:
    """The words for an environment, by the name in its metadata.

    Raises:
        UsageError: it shows too many numbers to be read, and nobody has written words for it.
    """
    name = str(env.metadata.get("name", type(env.unwrapped).__name__))
    if name in KNOWN:
        return KNOWN[name]
    spaces = {agent: env.observation_space(agent) for agent in env.possible_agents}
    for agent, space in spaces.items():
        if (size := _size(space)) > LONGEST:
            raise UsageError(
                f"{name} shows {agent} {size} numbers; at most {LONGEST} can be read as they are\n"
                "  give from_pettingzoo words that say what they mean: words=Words(rules, see)"
            )
    return Words(f"You play {name}. Answer with one of the moves.", lambda env, agent, seen: shown(seen))


def shown(seen: Any) -> str:
    """An observation as text: numbers, rows of them, or parts by name."""
    if isinstance(seen, str):
        return str(seen)
    if isinstance(seen, dict):
        return "\n".join(f"{key}: {shown(value)}" for key, value in seen.items())
    if isinstance(seen, tuple):
        return "\n".join(shown(part) for part in seen)
    dimensions = getattr(seen, "ndim", 0)
    if dimensions < 2:
        return _numbers(seen.tolist() if dimensions else [seen])
    if dimensions == 2:
        return "\n".join(map(_numbers, seen.tolist()))
    return "\n\n".join(shown(seen[..., channel]) for channel in range(seen.shape[-1]))


def _numbers(values: Sequence[Any]) -> str:
    return " ".join(f"{float(value):.4g}" for value in values)


def _size(space: Any) -> int:
    """How many numbers an observation has."""
    parts = getattr(space, "spaces", None)
    if parts is not None:
        named = parts.items() if isinstance(parts, dict) else enumerate(parts)
        return sum(_size(part) for name, part in named if name != "action_mask")
    shape: tuple[int, ...] = space.shape or ()
    size = 1
    for length in shape:
        size *= length
    return size


def _tic_tac_toe(env: Any, agent: Any, seen: Any) -> str:
    cells = [
        "X" if mine else "O" if theirs else str(number)
        for number, (mine, theirs) in enumerate(seen.reshape(9, 2).tolist())
    ]
    return "\n".join(" ".join(cells[i : i + 3]) for i in (0, 3, 6))


def _connect_four(env: Any, agent: Any, seen: Any) -> str:
    rows = ["".join("X" if mine else "O" if theirs else "." for mine, theirs in row) for row in seen.tolist()]
    return "\n".join(["0123456", *rows])


def _rps_name(env: Any, agent: Any, action: int) -> str:
    return str(env.unwrapped._moves[action]).lower()


def _rps(env: Any, agent: Any, seen: Any) -> str:
    before = _rps_name(env, agent, int(seen))
    return "Your opponent has shown nothing yet." if before == "none" else f"Your opponent's last: {before}"


def _leduc(env: Any, agent: Any, seen: Any) -> str:
    """Layout of the 36 numbers: RLCard's Leduc hold'em. One-hot: card (3), public card (3), chips (15), theirs (15)."""
    on = [number for number, value in enumerate(seen.tolist()) if value]
    card, *public = ["JQK"[number % 3] for number in on if number < 6]
    mine, theirs = [(number - 6) % 15 for number in on if number >= 6]
    return f"Card: {card}, public card: {public[0] if public else 'none'}. Chips: you {mine}, they {theirs}."


def _chess(env: Any, agent: Any, seen: Any) -> str:
    board = env.unwrapped.board
    return f"{board}\n{'White' if board.turn else 'Black'} to move."


def _chess_name(env: Any, agent: Any, action: int) -> str:
    from pettingzoo.classic.chess.chess_utils import action_to_move

    return str(action_to_move(env.unwrapped.board, action, env.possible_agents.index(agent)))


KNOWN = {
    "tictactoe_v3": Words(
        "Tic-tac-toe. Your marks are X, theirs are O. Answer with the number of a free square.", _tic_tac_toe
    ),
    "connect_four_v3": Words(
        "Connect four. Your pieces are X, theirs are O. Answer with the number of a column.", _connect_four
    ),
    "rps_v2": Words("Win rounds by naming what beats the other's move. Answer with a move.", _rps, _rps_name),
    "leduc_holdem_v4": Words(
        "Leduc hold'em: a card each, two rounds of betting, a public card between them. Answer with a move.",
        _leduc,
        lambda env, agent, action: ("call", "raise", "fold", "check")[action],
    ),
    "chess_v6": Words("Chess. Answer with a move such as e2e4.", _chess, _chess_name),
}
"""Words for environments that are easier to play by name than by number."""
