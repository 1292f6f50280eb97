"""What does the engine cost? CPU microseconds per move with scripted replies, the in-memory record included.

    python benchmarks/engine.py [--runs 7] [--json FILE]

1. *tic-tac-toe*: 1000 matches at once, two seats that take turns, board in the prompt, results and rewards.
2. *puzzle*: 500 matches at once, a proposal and 8 answers to it, rewarded, noted and published.

Wanted: at most 40 microseconds for each. Beside them, playing the very same games of tic-tac-toe in the same run:

- TextArena's `TicTacToe-v0`: get_observation and step (pip install textarena). As made by default the observation is
  the text that a model reads, all turns joined anew each time; `-raw` gives the list of messages and joins nothing.
- PettingZoo's `tictactoe_v3`: last and step (pip install pettingzoo pygame)

Both are optional. They play one match at a time and keep no record, no conversations, seeds or rewards per move.
Runs alternate; each line is the median of all runs, each ratio the median of the paired ratios theirs / ours.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from selfplay.arena import Arena
from selfplay.game import Foul, Game, Role
from selfplay.match import Match
from selfplay.rewards import learnability
from selfplay.types import Completion, Inline, MatchRecord, Pairing, Player, Request

WANTED_US = 40.0
LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


def square(text: str) -> int:
    """The square in ``[4]``."""
    digit = text.strip().removeprefix("[").removesuffix("]")
    if len(digit) != 1 or digit not in "012345678":
        raise Foul("a square in brackets, [0] to [8], was expected")
    return int(digit)


class TicTacToe(Game):
    """The usual rules; whoever takes a square that is taken loses."""

    x = Role("You play x. Answer with a square in brackets, [0] to [8].", parse=square)
    o = Role("You play o. Answer with a square in brackets, [0] to [8].", parse=square)

    async def play(self, match: Match) -> None:
        board = list("012345678")
        for turn in range(9):
            role = (self.x, self.o)[turn % 2]
            rows = "\n".join(" | ".join(board[i : i + 3]) for i in (0, 3, 6))
            move = await match.ask(role, f"{rows}\nYour square:")
            won = board[move.value] != move.text[1]
            if not won:
                board[move.value] = role.name
                won = any(board[a] == board[b] == board[c] for a, b, c in LINES)
            if won:
                match.win(role)
                match.pay(self.x, 1.0 if role is self.x else -1.0)
                match.pay(self.o, 1.0 if role is self.o else -1.0)
                return
        match.draw()
        match.pay(self.x, 0.0)
        match.pay(self.o, 0.0)


class Puzzle(Game):
    """One proposal, eight answers to it."""

    proposer = Role("Propose a number.", parse=int)
    solver = Role("Hit the number.", parse=int)

    async def play(self, match: Match) -> None:
        proposal = await match.ask(self.proposer, "Your number:")
        answers = await match.ask(self.solver, f"Target: {proposal.value}", n=8)
        for answer in answers:
            answer.reward = float(answer.value == proposal.value)
        proposal.reward = learnability(answers)
        solved = sum(answer.reward or 0.0 for answer in answers)
        match.result(solver=solved / 8)
        match.note(solve_rate=solved / 8)
        match.publish("pool", str(proposal.value), {"target": proposal.value}, solved=solved, of=8)


class Script(Inline):
    """Replies from a function of the request."""

    def __init__(self, reply: Callable[[Request, int], str]) -> None:
        self._reply = reply

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        reply = self._reply
        return [[Completion(reply(request, seed)) for seed in request.seeds] for request in requests]


def random_games(count: int) -> list[list[int]]:
    """Random legal games of tic-tac-toe, each up to its end."""
    rng = random.Random(0)
    games = []
    for _ in range(count):
        moves = rng.sample(range(9), 9)
        for end in range(5, 10):
            mine = set(moves[:end][(end - 1) % 2 :: 2])
            if any(mine.issuperset(line) for line in LINES):
                moves = moves[:end]
        games.append(moves)
    return games


def ours(game: Game, count: int, reply: Callable[[Request, int], str]) -> float:
    """CPU microseconds per move."""
    seats = dict.fromkeys(game.seats(), "script")
    pairings = [Pairing("game", seats, dict.fromkeys(seats, True), seed=i, number=i) for i in range(count)]
    players = {"script": Player("script", Script(reply))}
    began = time.process_time()
    with Arena({"game": game}, players) as arena:
        records: list[MatchRecord] = list(arena.play(pairings))
    spent = time.process_time() - began
    assert not any(record.error for record in records)
    return spent / sum(len(record.moves) for record in records) * 1e6


def textarena(name: str, games: list[list[int]]) -> float:
    """CPU microseconds per step of TextArena."""
    import textarena  # type: ignore[import-not-found, unused-ignore]

    env = textarena.make(name)
    spent = 0.0
    for moves in games:
        env.reset(num_players=2, seed=0)
        began = time.process_time()
        for move in moves:
            env.get_observation()
            done, _ = env.step(f"[{move}]")
        spent += time.process_time() - began
        assert done
    return spent / sum(map(len, games)) * 1e6


def pettingzoo(games: list[list[int]]) -> float:
    """CPU microseconds per step of PettingZoo."""
    os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
    from pettingzoo.classic import tictactoe_v3  # type: ignore[import-not-found, unused-ignore]

    env = tictactoe_v3.env()
    spent = 0.0
    for moves in games:
        env.reset(seed=0)
        began = time.process_time()
        for move in moves:
            env.last()
            env.step(move)
        spent += time.process_time() - began
        assert any(env.terminations.values())
    return spent / sum(map(len, games)) * 1e6


def measure(runs: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Microseconds per move of each run, and why some could not be measured."""
    games = random_games(1000)
    jobs: dict[str, Callable[[], float]] = {
        "tic-tac-toe": lambda: ours(TicTacToe(), 1000, lambda r, _: f"[{games[r.number][r.path[0]]}]"),
        "puzzle, n=8": lambda: ours(Puzzle(), 500, lambda r, seed: str(seed % 2)),
        "TextArena TicTacToe-v0": lambda: textarena("TicTacToe-v0", games[:300]),
        "TextArena TicTacToe-v0-raw": lambda: textarena("TicTacToe-v0-raw", games[:300]),
        "PettingZoo tictactoe_v3": lambda: pettingzoo(games[:300]),
    }
    times: dict[str, list[float]] = {name: [] for name in jobs}
    missing: dict[str, str] = {}
    for run in range(runs + 1):  # the first run warms up
        for name, job in jobs.items():
            if name in missing:
                continue
            try:
                spent = job()
            except ImportError as error:
                missing[name] = f"not installed: {error}"
                continue
            if run:
                times[name].append(spent)
    return {name: each for name, each in times.items() if each}, missing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    times, missing = measure(options.runs)
    medians = {name: statistics.median(each) for name, each in times.items()}
    ratios = {
        name: statistics.median(b / a for a, b in zip(times["tic-tac-toe"], times[name], strict=True))
        for name in times
        if name.startswith(("TextArena", "PettingZoo"))
    }
    print(f"{'CPU microseconds per move':28} median     min     max   wanted   theirs / ours")
    for name, each in times.items():
        wanted = f"<= {WANTED_US:.0f}" if name not in ratios else ""
        ratio = f"{ratios[name]:.2f}" if name in ratios else ""
        print(f"{name:28} {medians[name]:6.1f}  {min(each):6.1f}  {max(each):6.1f}   {wanted:6}   {ratio}")
    for name, why in missing.items():
        print(f"{name:28} skipped: {why}")
    missed = [name for name in medians if name not in ratios and medians[name] > WANTED_US]
    if options.json:
        found = {"us_per_move": times, "median": medians, "ratio": ratios, "missing": missing, "missed": missed}
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
