"""A synthetic game: sums of two digits, asked and set."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
import torch

from selfplay.game import Demo
from selfplay.types import Message

INSTRUCTIONS = {
    "adder": "Add the two numbers. Answer with the sum in <answer> tags, for example <answer>7</answer>.",
    "setter": "Set a sum of 2 numbers from 0 to 4, such as 3+4.",
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sums() -> Callable[[int], Iterator[Demo]]:
    """Seed -> an endless stream of demonstrations."""

    def stream(seed: int) -> Iterator[Demo]:
        rng = random.Random(seed)
        while True:
            a, b = rng.randint(0, 4), rng.randint(0, 4)
            yield demo("adder", f"Numbers: {a} and {b}. Their sum?", f"<answer>{a + b}</answer>")
            yield demo("setter", "Your sum:", f"{a}+{b}")

    return stream


def demo(role: str, prompt: str, reply: str) -> Demo:
    return Demo(role, (Message("system", INSTRUCTIONS[role]), Message("user", prompt)), reply)
