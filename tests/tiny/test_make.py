from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from selfplay.errors import UnknownName, UsageError
from selfplay.game import Demo
from selfplay.policies.hf import LocalPolicy
from selfplay.policies.loading import load_hf
from selfplay.tiny import load_tiny
from selfplay.tiny.make import Card, make_tiny
from selfplay.tiny.model import Shape, build_model
from selfplay.tiny.tokenizer import build_tokenizer, find_phrases
from selfplay.types import Json, Message, Request, Sampling

Stream = Callable[[int], Iterator[Demo]]
SMALL = Shape(hidden=64, layers=2, heads=2, kv_heads=1, intermediate=128, context=64)
FORMATS = {"adder": r"<answer>\d\d?</answer>", "setter": r"[0-4]\+[0-4]"}


def parse_rates(policy: LocalPolicy, demos: Iterator[Demo]) -> dict[str, Json]:
    """Share of well-formed replies per role, and of right sums."""
    asked = list(itertools.islice(demos, 60))
    requests = [
        Request(d.role, d.role, None, d.messages, Sampling(max_tokens=24), (7 * i, 9 * i)) for i, d in enumerate(asked)
    ]
    rates: dict[str, Json] = {}
    for role, form in FORMATS.items():
        texts = [c.text for d, own in zip(asked, policy.complete(requests), strict=True) if d.role == role for c in own]
        rates[role] = sum(re.fullmatch(form, text) is not None for text in texts) / len(texts)
    return rates


@pytest.fixture(scope="module")
def made(sums: Stream, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Card, list[float]]:
    losses: list[float] = []
    out = tmp_path_factory.mktemp("tiny") / "sums"
    card = make_tiny(
        sums(0), name="sums", out=out, steps=100, batch=64, lr=4e-3, shape=SMALL, games=["sums"], commit="abc",
        evaluate=lambda policy: parse_rates(policy, sums(99)),
        on_progress=lambda step, steps, loss: losses.append(loss),
    )  # fmt: skip
    return out, card, losses


def test_training_ends_when_the_model_knows_enough(sums: Stream, tmp_path: Path) -> None:
    looks: list[dict[str, Json]] = []

    def enough(policy: LocalPolicy) -> bool:
        looks.append(parse_rates(policy, sums(99)))
        return len(looks) == 2

    card = make_tiny(sums(0), name="sums", out=tmp_path, steps=100, batch=16, shape=SMALL, enough=enough)
    assert card.steps == 40 and card.demonstrations == 40 * 16 == sum(card.roles.values())
    assert load_tiny(tmp_path).model.num_parameters() == card.parameters


def test_a_hundred_steps_teach_the_formats(made: tuple[Path, Card, list[float]]) -> None:
    _, card, losses = made
    assert len(losses) == 100 and losses[0] > 4.0
    # Half of the tokens of a setter's reply cannot be known: two digits of five, nat ln 5 each, in four tokens.
    assert card.loss < 0.7 and card.loss == pytest.approx(sum(losses[-10:]) / 10)
    assert all(rate > 0.85 for rate in card.scores.values()), card.scores


def test_the_card_says_how_it_was_made(made: tuple[Path, Card, list[float]]) -> None:
    out, card, _ = made
    told = json.loads((out / "card.json").read_text())
    assert told["steps"] == 100 and told["demonstrations"] == 6400 and told["roles"] == {"adder": 3200, "setter": 3200}
    assert told["sha256"] == hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    assert told["games"] == ["sums"] and told["commit"] == "abc" and told["cpu_seconds"] > 0
    assert told["scores"] == card.scores and told["versions"]["torch"] == torch.__version__


def test_weights_are_half_precision_on_disk_and_single_in_use(made: tuple[Path, Card, list[float]]) -> None:
    out, card, _ = made
    stored = AutoModelForCausalLM.from_pretrained(out)
    policy = load_tiny(out)
    assert stored.dtype == torch.float16 and policy.model.dtype == torch.float32
    assert (out / "model.safetensors").stat().st_size < 2 * card.parameters + 5000
    assert policy.model.num_parameters() == card.parameters
    ask = Request("setter", "setter", None, (Message("user", "Your sum:"),), Sampling(max_tokens=8), (1, 2, 3))
    assert [c.text for c in policy.complete([ask])[0]] == [
        c.text for c in load_hf(out, device="cpu").complete([ask])[0]
    ]


def test_the_same_seed_makes_the_same_model(sums: Stream, tmp_path: Path) -> None:
    torch.manual_seed(5)
    hashes = []
    for run, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(3)  # the global random state is neither used nor disturbed
        state = torch.get_rng_state()
        card = make_tiny(sums(0), name="s", out=tmp_path / run, steps=3, batch=8, seed=seed, shape=SMALL)
        assert torch.equal(torch.get_rng_state(), state)
        hashes.append(card.sha256)
    assert hashes[0] == hashes[1] != hashes[2]


def test_too_few_demonstrations(sums: Stream, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ended in step 3 of 4; 32 were expected"):
        make_tiny(itertools.islice(sums(0), 20), name="s", out=tmp_path, steps=4, batch=8, shape=SMALL)


def test_a_demonstration_that_does_not_fit(tmp_path: Path) -> None:
    long = Demo("a", (Message("user", "?"),), "1" * 70)
    with pytest.raises(UsageError, match=r"role 'a' takes \d+ tokens; the model's context holds 64"):
        make_tiny([long] * 8, name="s", out=tmp_path, steps=1, batch=8, shape=SMALL)


def test_unknown_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown tiny model 'chesss'"):
        load_tiny("chesss")
    with pytest.raises(UnknownName, match="selfplay tiny make"):
        load_tiny(tmp_path)


def test_other_sizes(sums: Stream) -> None:
    tokenizer = build_tokenizer(find_phrases(itertools.islice(sums(0), 100)))
    shape = Shape.sized(96, 3, rotary=False)
    config = build_model(tokenizer, shape, 0).config
    assert (config.hidden_size, config.num_hidden_layers, shape.rotary) == (96, 3, False)
    # Without a position code, what is said earlier counts, and not where.
    for rotary, tells in ((True, True), (False, False)):
        model = build_model(tokenizer, Shape.sized(64, 1, rotary=rotary), 0)
        ids = torch.tensor([[5, 6, 7], [6, 5, 7]])
        first, second = model(ids).logits[:, -1].detach()
        assert (not torch.allclose(first, second, atol=1e-6)) == tells
    with pytest.raises(UsageError, match="7 wide"):
        Shape.sized(hidden=7)


def test_the_default_size(sums: Stream) -> None:
    model = build_model(build_tokenizer(find_phrases(itertools.islice(sums(0), 100))), Shape(), 0)
    assert 1_000_000 < model.num_parameters() < 1_300_000
    assert model.lm_head.weight is model.model.embed_tokens.weight
