"""Matchmakers: who plays whom, and who learns from it.

`mirror` gives every seat its role's player: the learning policy against itself, and the fixed players the recipe names.
Leagues with opponents from the past plug in here: a matchmaker is a function of the generation and the run's seed to
pairings, and decides per match and per seat who learns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from selfplay.game import Game, role_of
from selfplay.seeds import derive
from selfplay.types import Pairing, Task


def mirror(
    game: Game,
    generation: int,
    *,
    seed: int,
    matches: int,
    replicas: int,
    player_of: Mapping[str, str],
    learns: Mapping[str, bool],
    task_of: Callable[[int], Task],
) -> list[Pairing]:
    """The pairings of one generation.

    Args:
        game: what is played.
        generation: which one; with `seed` it fixes all chance.
        seed: of the run.
        matches: how many.
        replicas: how many in a row share a deal (seed and task).
        player_of: role -> player.
        learns: role -> may it be trained on.
        task_of: deal number -> task.
    """
    seats = {seat: player_of[role_of(seat)] for seat in game.seats()}
    learning = {seat: learns[role_of(seat)] for seat in game.seats()}
    return [
        Pairing(
            game.name(),
            seats,
            learning,
            seed=derive(seed, "deal", generation, number // replicas),
            number=number,
            generation=generation,
            replica=number % replicas,
            task=task_of(number // replicas),
            sampling_seed=derive(seed, "sampling", generation, number),
        )
        for number in range(matches)
    ]
