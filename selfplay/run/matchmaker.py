"""Matchmakers: who plays whom, and who learns from it.

`mirror` gives every seat its role's player: the learning policy against itself, and the fixed players the recipe names,
always or in a share of the matches.
Leagues with opponents from the past plug in here: a matchmaker is a function of the generation and the run's seed to
pairings, and decides per match and per seat who learns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from selfplay.game import Game, role_of
from selfplay.seeds import derive, rng
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
    opponents: Mapping[str, tuple[str, float]],
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
        opponents: role -> a player that takes it in this share of the matches, where the role does not learn.
        task_of: deal number -> task.
    """

    def taken_over(number: int) -> set[str]:
        chance = rng(seed, "opponent", generation, number)
        return {role for role, (_, share) in sorted(opponents.items()) if chance.random() < share}

    def pairing(number: int) -> Pairing:
        theirs = taken_over(number)
        roles = {seat: role_of(seat) for seat in game.seats()}
        return Pairing(
            game.name(),
            {seat: opponents[role][0] if role in theirs else player_of[role] for seat, role in roles.items()},
            {seat: learns[role] and role not in theirs for seat, role in roles.items()},
            seed=derive(seed, "deal", generation, number // replicas),
            number=number,
            generation=generation,
            replica=number % replicas,
            task=task_of(number // replicas),
            sampling_seed=derive(seed, "sampling", generation, number),
        )

    return [pairing(number) for number in range(matches)]
