"""Foreign code draws from global generators that are seeded for it, and leaves no trace in them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

import selfplay.interop.chance as chance_module
from selfplay.interop.chance import Chance


@pytest.fixture(params=["in memory", "slow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's generator is copied as memory, or asked for its state where that cannot be done."""
    if request.param == "slow":
        monkeypatch.setattr(chance_module, "_python_address", lambda: 0)
    else:
        assert chance_module._python_address(), "this Python keeps its generator elsewhere"


@pytest.fixture(autouse=True)
def own_bit_generator() -> Iterator[None]:
    """The tests leave the global generators as they were."""
    bits, state, python = np.random.get_bit_generator(), np.random.get_state(), random.getstate()
    yield
    np.random.set_bit_generator(bits)
    np.random.set_state(state)
    random.setstate(python)


def draw() -> list[float]:
    return [random.random(), random.gauss(0, 1), np.random.random(), *np.random.normal(size=3)]


def states() -> tuple[object, str]:
    return random.getstate(), repr(np.random.get_state(legacy=False))


@pytest.mark.parametrize("normals", [0, 1, 2])
@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.PCG64])
def test_the_global_generators_are_put_back_exactly(kind: type, normals: int, way: None) -> None:
    np.random.set_bit_generator(kind(5))
    np.set_printoptions(threshold=10_000)
    random.seed(7)
    random.gauss(0, 1)  # leaves half of a pair behind
    for _ in range(normals):
        np.random.normal()
    before = states()
    for function in (draw, lambda: np.random.normal(), lambda: None):
        Chance(1).lend(function)
        assert states() == before
    with pytest.raises(ZeroDivisionError):
        Chance(1).lend(lambda: draw() and 1 / 0)
    assert states() == before
    assert type(np.random.get_bit_generator()) is kind


def test_what_is_drawn_follows_from_the_seed_and_the_number_of_the_call(way: None) -> None:
    chance = Chance(11)
    first, second = chance.lend(draw), chance.lend(draw)
    draw()
    np.random.normal()
    again = Chance(11)
    assert [again.lend(draw), again.lend(draw)] == [first, second]
    assert first != second and Chance(12).lend(draw) != first


def test_matches_that_take_turns_do_not_disturb_each_other() -> None:
    alone = [Chance(seed) for seed in (1, 2)]
    expected = [[chance.lend(draw) for _ in range(3)] for chance in alone]
    mixed = [Chance(seed) for seed in (1, 2)]
    rounds = [[chance.lend(draw) for chance in mixed] for _ in range(3)]
    assert [list(each) for each in zip(*rounds, strict=True)] == expected


def test_both_ways_draw_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = Chance(5)
    fast = [chance.lend(draw) for _ in range(3)]
    monkeypatch.setattr(chance_module, "_python_address", lambda: 0)
    chance = Chance(5)
    assert [chance.lend(draw) for _ in range(3)] == fast


def test_another_generator_of_numpy_changes_nothing() -> None:
    expected = Chance(5).lend(draw)
    np.random.set_bit_generator(np.random.PCG64(1))
    assert Chance(5).lend(draw) == expected
