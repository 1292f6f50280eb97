"""The codec is lossless, its bytes are stable, and it refuses what it cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.errors import GameError, RunError, UsageError
from selfplay.record.codec import dumps, from_json, loads, pack, packed_length, to_json, unpack
from selfplay.types import MatchRecord, Move, Pairing, Player

Make = Callable[..., MatchRecord]


def same_move(a: Move, b: Move) -> bool:
    fields = (
        "id",
        "role",
        "seat",
        "tag",
        "group",
        "player",
        "learn",
        "secret",
        "messages",
        "foul",
        "why_masked",
        "keep",
    )
    arrays = [(getattr(a.completion, n), getattr(b.completion, n)) for n in ("prompt_ids", "token_ids", "logprobs")]
    return (
        all(getattr(a, name) == getattr(b, name) for name in fields)
        and a._reward == b._reward
        and a.text == b.text
        and a.completion.finish_reason is b.completion.finish_reason
        and a.completion.weights_version == b.completion.weights_version
        and (a.parent and a.parent.id) == (b.parent and b.parent.id)
        and a.turn.conversation() == b.turn.conversation()
        and a.turn.told == b.turn.told
        and all((x is None and y is None) or (x.dtype == y.dtype and x.tobytes() == y.tobytes()) for x, y in arrays)
    )


def test_a_record_comes_back_as_it_was(record_of: Make) -> None:
    record = record_of(3, 2)
    back = loads(dumps(record))
    assert (back.pairing, back.config, back.facts, back.result) == (
        record.pairing, record.config, record.facts, record.result,
    )  # fmt: skip
    assert (back.ending, back.forfeit, back.error, back.id) == (record.ending, None, None, "g0002-m0003")
    assert list(back.pairing.seats) == ["solver", "proposer"]
    assert list(back.pairing.task.data) == ["z", "a"], "a replayed game must see the same order of keys"
    assert len(back.moves) == 4 and all(map(same_move, back.moves, record.moves))
    assert back.moves[1].parent is back.moves[0] and back.moves[1].turn.parent is back.moves[0].turn


def test_equal_records_give_equal_bytes_on_one_line(record_of: Make) -> None:
    line = dumps(record_of(1))
    assert line == dumps(record_of(1)) == dumps(loads(line))
    assert line.isascii() and "\n" not in line
    assert dumps(record_of(2)) != line


@given(st.lists(st.floats(width=32)), st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_arrays_keep_every_bit(floats: list[float], ids: list[int]) -> None:
    for array in (np.array(floats, np.float32), np.array(ids, np.int32)):
        back = unpack(json.loads(json.dumps(pack(array))))
        assert back is not None and back.dtype == array.dtype and back.tobytes() == array.tobytes()
        assert packed_length(pack(array)) == len(array)


def test_arrays_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="float64"):
        pack(np.zeros(2))  # type: ignore[arg-type]
    assert pack(None) is None and unpack(None) is None and packed_length(None) == 0


@pytest.mark.parametrize(("schema", "advice"), [(2, "upgrade"), (0, "that wrote it"), (None, "that wrote it")])
def test_other_schemas_are_refused_politely(record_of: Make, schema: int | None, advice: str) -> None:
    with pytest.raises(UsageError, match=advice):
        from_json({**to_json(record_of()), "schema": schema})


def test_damage_inside_a_line_names_the_match(record_of: Make) -> None:
    data = to_json(record_of())
    data["moves"][1]["parent"] = "77"
    with pytest.raises(RunError, match=r"g0000-m0000 is damaged.*'77'"):
        from_json(data)


def test_what_json_cannot_hold_is_the_games_error(record_of: Make) -> None:
    record = record_of()
    record.facts[1].data["when"] = {1, 2}
    with pytest.raises(GameError, match=r"g0000-m0000 of countdown.*set"):
        dumps(record)


def test_a_conversation_that_could_not_be_rebuilt_is_refused(record_of: Make) -> None:
    record = record_of()
    record.moves[1].parent = None
    with pytest.raises(GameError, match="does not continue the conversation of its parent"):
        dumps(record)


@pytest.mark.parametrize(
    ("game_id", "bot"), [("countdown", "exhaustive"), ("countdown", "random"), ("hidden_number", "")]
)
def test_records_of_real_games_come_back(game_id: str, bot: str) -> None:
    from selfplay.arena import Arena
    from selfplay.games import make_game
    from selfplay.policies.bots import ScriptedPolicy

    game = make_game(game_id)
    players = {"bot": Player("bot", ScriptedPolicy(bot or next(iter(game.bots)), game))}
    seats = dict.fromkeys(game.seats(), "bot")
    pairings = [Pairing(game_id, seats, {}, seed=i, number=i, sampling_seed=i) for i in range(20)]
    with Arena({game_id: game}, players) as arena:
        records = list(arena.play(pairings))
    assert sum(len(record.moves) for record in records) >= 20
    for record in records:
        back = loads(dumps(record))
        assert dumps(back) == dumps(record) and all(map(same_move, back.moves, record.moves))
        assert [m.turn.conversation() for m in back.moves] == [m.turn.conversation() for m in record.moves]
