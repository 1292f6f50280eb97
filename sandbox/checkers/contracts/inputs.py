"""Concrete inputs worth trying: small ones, ones built from the program's own literals, and those of z3's models.

Everything is drawn from one seeded generator, so the same claim is always tried with the same inputs. Lists come
sorted, constant and at random, of one common length or of several; ints are often items, positions or lengths of the
lists, since that is where wrong programs differ from right ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from selfplay.sandbox.checkers.contracts.evaluate import Value
from selfplay.sandbox.checkers.contracts.sorts import BOOL, INT, STR, DictOf, ListOf, Sort, TupleOf

MAX_LENGTH = 7
_ALPHABET = "abcA 0"


class Inputs:
    """An endless stream of arguments for parameters of the given types."""

    def __init__(self, sorts: Sequence[Sort], constants: Sequence[int], seed: int) -> None:
        self.sorts = sorts
        self.rng = random.Random(seed)
        self.constants = sorted({c + d for c in constants for d in (-1, 0, 1)} | {0, 1, -1})

    def __iter__(self) -> Iterator[list[Value]]:
        for simple in (0, 1):
            yield [_simplest(sort, simple) for sort in self.sorts]
        number = 0
        while True:
            yield self._one(min(1 + number // 8, 6))
            number += 1

    def _one(self, size: int) -> list[Value]:
        rng = self.rng
        length = rng.randrange(0, min(size + 2, MAX_LENGTH))
        common = rng.random() < 0.5
        args = [self._value(sort, size, length if common else None) for sort in self.sorts]
        lists = [arg for sort, arg in zip(self.sorts, args, strict=True) if sort == ListOf(INT) and arg]
        for i, sort in enumerate(self.sorts):
            if sort == INT and lists and rng.random() < 0.5:
                of = rng.choice(lists)
                args[i] = rng.choice([rng.choice(of), rng.choice(of), rng.randrange(len(of) + 1), len(of)])
            elif sort == INT and rng.random() < 0.15:
                others = [arg for other, arg in zip(self.sorts, args, strict=True) if other == INT]
                args[i] = rng.choice(others) + rng.choice((-1, 0, 1))
        return args

    def _value(self, sort: Sort, size: int, length: int | None = None) -> Value:
        rng = self.rng
        if sort == INT:
            return self._int(size)
        if sort == BOOL:
            return rng.random() < 0.5
        if length is None:
            length = rng.randrange(0, min(size + 2, MAX_LENGTH))
        if sort == STR:
            letters = _ALPHABET[: rng.choice((2, 3, len(_ALPHABET)))]
            word = "".join(rng.choice(letters) for _ in range(length))
            return word[: length // 2] + word[::-1][length // 2 :] if rng.random() < 0.3 else word
        match sort:
            case ListOf(item):
                return self._list(item, size, length)
            case TupleOf(items):
                return tuple(self._value(item, size) for item in items)
            case DictOf(key, value):
                keys = [self._value(key, size) for _ in range(length)]
                return {k: self._value(value, size) for k in keys}
        raise AssertionError(f"no inputs of type {sort}")

    def _int(self, size: int) -> int:
        rng = self.rng
        way = rng.random()
        if way < 0.6:
            return rng.randrange(-size, 2 * size + 1)
        if way < 0.8:
            return rng.choice(self.constants)
        return rng.randrange(0, 4 ** min(size, 5))

    def _list(self, item: Sort, size: int, length: int) -> list[Value]:
        rng = self.rng
        found = [self._value(item, size) for _ in range(length)]
        if item != INT:
            return found
        match rng.randrange(6):
            case 0:
                return sorted(found)
            case 1:
                return sorted(set(found))
            case 2:
                return found[:1] * length
            case 3:
                return [abs(x) for x in found]
            case 4:
                return rng.sample(range(length), length)
        return found


def _simplest(sort: Sort, number: int) -> Value:
    match sort:
        case ListOf(item):
            return [_simplest(item, number)] * number
        case TupleOf(items):
            return tuple(_simplest(item, number) for item in items)
        case DictOf(key, value):
            return {_simplest(key, 0): _simplest(value, 0)} if number else {}
    return number if sort == INT else bool(number) if sort == BOOL else "a" * number
