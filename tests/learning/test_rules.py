"""Every update rule, with both learners: equal gradients, the published formula, learning, exact continuation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import worlds

from selfplay.errors import UsageError
from selfplay.learning.learner import LearnerSettings, UpdateStats, make_learner
from selfplay.types import Row

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = ["plain", "trl"]
RULES = ["sft", "dpo", "kto", "offline_clip"]
VARIANTS: list[tuple[str, dict[str, object]]] = [
    ("sft", {}),
    ("dpo", {}),
    ("dpo", {"nll": 0.7, "beta": 0.5}),
    ("kto", {}),
    ("kto", {"beta": 0.5}),
    ("offline_clip", {"temperature": 0.8}),
]


def settings(kind: str, rule: str, **changes: object) -> LearnerSettings:
    base = LearnerSettings(kind=kind, rule=rule, lr=1e-2, micro_tokens=150, epsilon_high=0.2, warmup_updates=2)
    return dataclasses.replace(base, **changes)


def material(rule: str, seed: int = 0, n: int = 24, **changes: object) -> list[Row]:
    """Rows as the rule wants them: several kinds of moves, masks, different weights, pairs, examples, a reference."""
    from selfplay.learning.reference import fill_reference

    rng = np.random.default_rng(seed)
    made = worlds.rows(seed, n)
    weights = rng.choice([0.25, 0.5, 1.0], n)
    for i, row in enumerate(made):
        row.moves = () if i % 5 == 4 else (str(i),)
        sign = 1.0 if rule in ("sft", "dpo") or not row.moves or rng.random() < 0.5 else -1.0
        row.advantages[:] = sign * weights[i]
        if rule == "sft" and i % 3 == 0:  # moves of one conversation may differ in weight
            row.advantages[0] = 2.0
    if rule == "dpo":
        for row, worse in zip(made, worlds.rows(seed + 1000, n), strict=True):
            row.worse = dataclasses.replace(worse, prompt_ids=row.prompt_ids)
    fill_reference(made, worlds.model(2), settings("plain", rule, **changes))
    return made


def gradient(kind: str, made: list[Row], rule: str, **changes: object) -> tuple[np.ndarray, float]:
    """The whole gradient of one update, and its loss."""
    from selfplay.learning.tally import Tally

    model = worlds.model(0)
    s = settings(kind, rule, **changes)
    learner = make_learner(model, worlds.tokenizer(), s)
    if kind == "plain":
        loss = learner.backward(made, Tally(s))
    else:
        loss = float(learner.trainer.training_step(learner.trainer.model, {"rows": made}))
    return np.concatenate([p.grad.numpy().ravel() for p in model.parameters()]), loss


def learn(kind: str, rule: str, batches: list[list[Row]], model_seed: int = 0, **changes: object):
    model = worlds.model(model_seed)
    learner = make_learner(model, worlds.tokenizer(), settings(kind, rule, **changes))
    stats: list[UpdateStats] = []
    learner.train(iter(batches), stats.append)
    return model, learner, stats


def weights_of(model) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


@pytest.mark.parametrize(("rule", "changes"), VARIANTS)
def test_gradients_agree(rule: str, changes: dict[str, object]) -> None:
    made = material(rule, **changes)
    plain, plain_loss = gradient("plain", made, rule, **changes)
    trl, trl_loss = gradient("trl", made, rule, **changes)
    assert np.linalg.norm(plain) > 0.01
    assert difference(plain, trl) < 1e-5
    assert plain_loss == pytest.approx(trl_loss, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("rule", "changes"), VARIANTS)
def test_statistics_agree(rule: str, changes: dict[str, object]) -> None:
    made = material(rule, **changes)
    (plain,), (trl,) = (learn(kind, rule, [made], **changes)[2] for kind in KINDS)
    assert plain.roles.keys() == trl.roles.keys()
    for kind, mine in plain.roles.items():
        theirs = dataclasses.asdict(trl.roles[kind])
        for name, value in dataclasses.asdict(mine).items():
            assert value is theirs[name] is None or value == pytest.approx(theirs[name], rel=1e-4, abs=1e-5)
    assert (plain.tokens, plain.rows) == (trl.tokens, trl.rows)


def sums(model_seed: int, made: list[Row], temperature: float = 1.0) -> np.ndarray:
    """(B,) log-probability of each row's learned tokens."""
    from selfplay.policies.scoring import token_logprobs

    ids = [r.prompt_ids.tolist() for r in made], [r.completion_ids.tolist() for r in made]
    scores = token_logprobs(worlds.model(model_seed), *ids, temperature=temperature)
    return np.array([score[r.mask].sum() for score, r in zip(scores, made, strict=True)])


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.log1p(np.exp(-x))


def first(made: list[Row]) -> np.ndarray:
    return np.array([r.advantages[r.mask][0] for r in made])


def expected(rule: str, made: list[Row], s: LearnerSettings) -> float:
    """The loss, written down once more from sums of log-probabilities."""
    now, ref = sums(0, made, s.temperature), sums(2, made, s.temperature)
    lengths = np.array([r.mask.sum() for r in made])
    if rule == "dpo":
        worse = [r.worse for r in made if r.worse]
        margin = s.beta * (now - ref - (sums(0, worse) - sums(2, worse)))
        return float(np.mean(first(made) * (-log_sigmoid(margin) - s.nll * now / lengths)))
    sampled = np.array([bool(r.moves) for r in made])
    if rule == "kto":
        z = max(0.0, (now - ref)[sampled].mean())
        side = np.sign(first(made))
        return float(np.mean(abs(first(made)) * (1 - np.exp(log_sigmoid(side * s.beta * (now - ref - z))))))
    rho, a = np.exp((now - ref) / lengths), first(made)
    clip = -np.minimum(rho * a, rho.clip(1 - s.epsilon_low, 1 + s.clip_high) * a)
    imitation = -(a * now)[~sampled].sum() / lengths[~sampled].sum()
    return float(clip[sampled].mean() + s.example_weight * imitation)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rule", "changes"), VARIANTS[1:])
def test_the_loss_is_the_published_one(kind: str, rule: str, changes: dict[str, object]) -> None:
    made = material(rule, **changes)
    _, loss = gradient(kind, made, rule, **changes)
    assert loss == pytest.approx(expected(rule, made, settings(kind, rule, **changes)), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_sft_is_the_weighted_likelihood_of_each_token(kind: str) -> None:
    made = material("sft")
    from selfplay.policies.scoring import token_logprobs

    ids = [r.prompt_ids.tolist() for r in made], [r.completion_ids.tolist() for r in made]
    scores = token_logprobs(worlds.model(0), *ids)
    total = sum(float((r.advantages * score)[r.mask].sum()) for r, score in zip(made, scores, strict=True))
    assert gradient(kind, made, "sft")[1] == pytest.approx(-total / sum(r.mask.sum() for r in made), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_the_split_into_micro_batches_changes_nothing(kind: str, rule: str) -> None:
    made = material(rule)
    one, many = (gradient(kind, made, rule, micro_tokens=n)[0] for n in (10_000, 1))
    assert difference(one, many) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_weights_scale_the_gradient(kind: str, rule: str) -> None:
    made = material(rule)
    whole = gradient(kind, made, rule)[0]
    for row in made:
        row.advantages *= 2
    assert difference(2 * whole, gradient(kind, made, rule)[0]) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_it_learns(kind: str, rule: str) -> None:
    """Few steps on the same rows: the loss falls, and what is wanted becomes likelier than what is not."""
    made = material(rule)
    _, _, stats = learn(kind, rule, [made] * 8)
    losses = [s.loss for s in stats]
    assert losses[-1] < losses[0] - 0.05 * abs(losses[0])
    before, after = stats[0].roles["solver"], stats[-1].roles["solver"]
    if rule == "sft":
        assert after.nll < before.nll
    if rule in ("dpo", "kto"):
        assert after.margin > before.margin and after.accuracy > before.accuracy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_continuation_is_bit_identical(kind: str, rule: str, tmp_path: Path) -> None:
    batches = [material(rule, seed) for seed in range(4)]
    straight, _, stats = learn(kind, rule, batches)
    _, first_half, begun = learn(kind, rule, batches[:2])
    first_half.save(tmp_path / "checkpoint")
    model = worlds.model(9)  # everything must come from the checkpoint
    second = make_learner(model, worlds.tokenizer(), settings(kind, rule))
    second.load(tmp_path / "checkpoint")
    second.train(iter(batches[2:]), begun.append)
    assert np.array_equal(weights_of(straight), weights_of(model))
    assert [timeless(s) for s in begun] == [timeless(s) for s in stats]


COURSE = ("sft", "dpo", "offline_clip", "dpo", "kto", "sft")
RATES = (1e-2, 2e-3, 2e-3, 1e-2, 5e-3, 2e-2)


def follow(course: Sequence[int], kind: str, learner, stats: list[UpdateStats]) -> None:
    """Updates under the rules and rates of a course; the learner hears of them when it asks for its rows."""

    def batches():
        for number in course:
            learner.configure(settings(kind, COURSE[number], lr=RATES[number]))
            yield material(COURSE[number], number)

    learner.train(batches(), stats.append)


@pytest.fixture(scope="module")
def changed() -> dict[str, tuple[np.ndarray, list[UpdateStats]]]:
    """Each kind of learner after the whole course."""
    out = {}
    for kind in KINDS:
        model, stats = worlds.model(0), list[UpdateStats]()
        follow(range(6), kind, make_learner(model, worlds.tokenizer(), settings(kind, "sft")), stats)
        out[kind] = weights_of(model), stats
    return out


def test_both_learners_take_the_same_steps_when_the_rule_changes(changed) -> None:
    plain, trl = changed["plain"], changed["trl"]
    assert difference(plain[0], trl[0]) < 1e-4
    assert [s.update for s in trl[1]] == [1, 2, 3, 4, 5, 6]
    assert [s.lr for s in trl[1]] == [s.lr for s in plain[1]] == pytest.approx([RATES[0] / 2, *RATES[1:]])  # warm-up
    assert [s.loss for s in trl[1]] == pytest.approx([s.loss for s in plain[1]], rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_continuation_is_bit_identical_where_the_rule_changes(kind: str, changed, tmp_path: Path) -> None:
    stats: list[UpdateStats] = []
    begun = make_learner(worlds.model(0), worlds.tokenizer(), settings(kind, "sft"))
    follow(range(4), kind, begun, stats)
    begun.save(tmp_path / "checkpoint")
    model = worlds.model(9)
    second = make_learner(model, worlds.tokenizer(), settings(kind, "sft"))
    second.load(tmp_path / "checkpoint")
    follow(range(4, 6), kind, second, stats)
    assert np.array_equal(changed[kind][0], weights_of(model))
    assert [timeless(s) for s in stats] == [timeless(s) for s in changed[kind][1]]


def timeless(stats: UpdateStats) -> UpdateStats:
    return dataclasses.replace(stats, seconds=0.0)


def nothing(made: list[Row]) -> list[Row]:
    return []


def without_weight(made: list[Row]) -> list[Row]:
    for row in made:
        row.advantages[:] = 0.0
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("empty", [nothing, without_weight])
def test_nothing_to_learn_from_is_a_counted_update(kind: str, rule: str, empty: Callable[..., list[Row]]) -> None:
    before = weights_of(worlds.model(0))
    model, _, (stats,) = learn(kind, rule, [empty(material(rule))])
    assert np.array_equal(weights_of(model), before)
    assert (stats.update, stats.loss, stats.roles) == (1, 0.0, {})


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_its_pair_is_named(kind: str) -> None:
    made = material("dpo")
    made[0].worse, made[0].match = None, "g0000-m0007"
    with pytest.raises(UsageError, match=r"'proposer'.*g0000-m0007.*no pair"):
        learn(kind, "dpo", [made])


@pytest.mark.parametrize("rule", ["dpo", "kto", "offline_clip"])
def test_missing_reference_log_probabilities_are_named(rule: str) -> None:
    made = material(rule)
    made[0].ref_logprobs, made[0].match = None, "g0000-m0007"
    with pytest.raises(UsageError, match=rf"'{rule}' compares 'proposer'.*g0000-m0007.*no reference"):
        learn("plain", rule, [made])


def test_both_replies_of_a_pair_get_reference_log_probabilities() -> None:
    for row in material("dpo"):
        assert row.ref_logprobs is not None and row.worse is not None and row.worse.ref_logprobs is not None
    assert all(row.ref_logprobs is None for row in material("sft"))
    assert all((row.ref_logprobs is None) == (not row.moves) for row in material("offline_clip"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_every_forward_pass_is_that_of_the_rows_player(kind: str, rule: str) -> None:
    """The place where rows meet the model is told whose rows they are, also in passes without gradient."""
    from contextlib import contextmanager

    seen: list[str] = []
    now: list[str] = []

    @contextmanager
    def acting(player: str):
        now.append(player)
        yield
        now.pop()

    made = material(rule)
    for row in made:
        row.player = row.role
    model = worlds.model(0)
    model.model.register_forward_pre_hook(lambda *_: seen.append(*now))
    learner = make_learner(model, worlds.tokenizer(), settings(kind, rule), acting)
    learner.train(iter([made]), lambda stats: None)
    assert set(seen) == {"proposer", "solver"}


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"rule": "ppo"}, "rule is 'ppo'"),
        ({"rule": "sft", "kl": {"*": 0.1}}, "compares with no reference"),
        ({"rule": "dpo", "kl": {"*": 0.1}}, "beta already keeps it near"),
        ({"rule": "kto", "temperature": 0.7}, "only 1 works"),
        ({"rule": "dpo", "beta": 0.0}, "beta is 0.0"),
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        LearnerSettings(**bad)
