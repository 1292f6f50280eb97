"""What does the door to PettingZoo cost? CPU microseconds per move of tic-tac-toe, the very same games in each line.

    python benchmarks/zoo.py [--runs 7] [--json FILE]

1. *PettingZoo alone*: `tictactoe_v3.env()` in the loop of its documentation: reset, agent_iter, last, step.
2. *as a Game*: `from_pettingzoo(tictactoe_v3.env)` in the arena, 128 matches at once with scripted replies: prompts in
   words, legal moves by name, private chance, rewards, result and the in-memory record.
3. *as_pettingzoo*: our own `tic_tac_toe` as an environment, in the same loop as 1.

Wanted: line 2 at most 60 us above line 1. Line 3 is for information. Runs alternate; each line is the median of all
runs, ratio and difference are medians of the paired ones. (The file is not called pettingzoo.py because the scripts
beside it would import it instead of the package.)
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import Script, random_games

from selfplay import as_pettingzoo
from selfplay.arena import Arena
from selfplay.game import Game
from selfplay.games import make_game
from selfplay.types import Pairing, Player, Request

WANTED_US = 60.0
AT_ONCE = 128


def looped(env: Any, games: list[list[int]], action: Callable[[int], Any]) -> float:
    """CPU microseconds per move of an AECEnv, played as PettingZoo documents it."""
    began = time.process_time()
    for moves in games:
        env.reset(seed=0)
        left = iter(moves)
        for _ in env.agent_iter():
            _, _, terminated, truncated, _ = env.last()
            env.step(None if terminated or truncated else action(next(left)))
    return (time.process_time() - began) / sum(map(len, games)) * 1e6


def as_game(game: Game, games: list[list[int]]) -> float:
    """CPU microseconds per move of PettingZoo's environment as a Game."""
    seats = dict.fromkeys(game.seats(), "script")

    def reply(request: Request, seed: int) -> str:
        return str(games[request.number][request.path[0] - len(seats)])  # the first steps tell the seats who they are

    pairings = [Pairing(game.name(), seats, dict.fromkeys(seats, True), seed=i, number=i) for i in range(len(games))]
    players = {"script": Player("script", Script(reply))}
    began = time.process_time()
    with Arena({game.name(): game}, players, in_flight=AT_ONCE) as arena:
        records = list(arena.play(pairings))
    spent = time.process_time() - began
    assert [len(record.moves) for record in records] == list(map(len, games))
    assert all(record.error is None and record.result is not None for record in records)
    return spent / sum(map(len, games)) * 1e6


def measure(runs: int) -> dict[str, list[float]]:
    """Microseconds per move of each run."""
    game = make_game("pettingzoo:classic.tictactoe_v3")
    from pettingzoo.classic import tictactoe_v3  # type: ignore[import-not-found, unused-ignore]

    games = random_games(512)
    theirs, ours = tictactoe_v3.env(), as_pettingzoo("tic_tac_toe")
    jobs: dict[str, Callable[[], float]] = {
        "PettingZoo alone": lambda: looped(theirs, games, int),
        "as a Game": lambda: as_game(game, games),
        "as_pettingzoo": lambda: looped(ours, games, lambda square: str(square + 1)),
    }
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for run in range(runs + 1):  # the first run warms up
        for name, job in jobs.items():
            spent = job()
            if run:
                times[name].append(spent)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    times = measure(options.runs)
    base = times["PettingZoo alone"]
    ratios, more = {}, {}
    print(f"{'CPU microseconds per move':26} median     min     max   ratio   more   wanted")
    for name, each in times.items():
        ratios[name] = statistics.median(a / b for a, b in zip(each, base, strict=True))
        more[name] = statistics.median(a - b for a, b in zip(each, base, strict=True))
        spread = f"{statistics.median(each):6.1f}  {min(each):6.1f}  {max(each):6.1f}"
        wanted = f"<= {WANTED_US:.0f}" if name == "as a Game" else ""
        print(f"{name:26} {spread}   {ratios[name]:5.2f}  {more[name]:5.1f}   {wanted}")
    missed = more["as a Game"] > WANTED_US
    if options.json:
        found = {"us_per_move": times, "ratio": ratios, "more_us": more, "missed": missed}
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
