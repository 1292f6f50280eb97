"""Both learners: equal gradients, off-policy rows treated as such, exact continuation, nothing from nothing."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import worlds

from selfplay.errors import RunError, UsageError
from selfplay.learning.learner import Learner, LearnerSettings, Loss, UpdateStats, make_learner
from selfplay.types import Row

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = ["plain", "trl"]
KL = {"proposer": 0.5, "solver/revise": 0.02}


def settings(kind: str, **changes: object) -> LearnerSettings:
    base = LearnerSettings(kind=kind, lr=1e-2, kl=KL, temperature=0.8, micro_tokens=150, warmup_updates=2)
    return dataclasses.replace(base, **changes)


def off_policy_rows(seed: int = 0, n: int = 24) -> list[Row]:
    """Rows that an older model sampled, with their reference filled in."""
    from selfplay.learning.reference import fill_reference

    made = worlds.rows(seed, n)
    worlds.sampled_by(worlds.model(1), made, 0.8)
    fill_reference(made, worlds.model(2), settings("plain"))
    return made


def learn(kind: str, batches: list[list[Row]], model_seed: int = 0, **changes: object):
    model = worlds.model(model_seed)
    learner = make_learner(model, worlds.tokenizer(), settings(kind, **changes))
    stats: list[UpdateStats] = []
    learner.train(iter(batches), stats.append)
    return model, learner, stats


def weights(model) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def gradient(kind: str, made: list[Row], **changes: object) -> tuple[np.ndarray, float]:
    """The whole gradient of one update, and its loss."""
    from selfplay.learning.tally import Tally

    model = worlds.model(0)
    s = settings(kind, **changes)
    learner = make_learner(model, worlds.tokenizer(), s)
    if kind == "plain":
        loss = learner.backward(made, Tally(s))
    else:
        loss = float(learner.trainer.training_step(learner.trainer.model, {"rows": made}))
    return np.concatenate([p.grad.numpy().ravel() for p in model.parameters()]), loss


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


@pytest.mark.parametrize("loss", list(Loss))
def test_gradients_agree(loss: Loss) -> None:
    """Multi-turn rows with masks, advantages per token, three kinds of moves with different KL, off-policy rows."""
    made = off_policy_rows()
    plain, plain_loss = gradient("plain", made, loss=loss)
    trl, trl_loss = gradient("trl", made, loss=loss)
    assert np.linalg.norm(plain) > 0.1
    assert difference(plain, trl) < 1e-5
    assert plain_loss == pytest.approx(trl_loss, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [{"kl": {}}, {"loss": "cispo"}, {"temperature": 1.0}, {"epsilon_high": 0.01}])
def test_every_setting_reaches_the_gradient(kind: str, change: dict[str, object]) -> None:
    made = off_policy_rows()
    assert difference(gradient(kind, made)[0], gradient(kind, made, **change)[0]) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_split_into_micro_batches_changes_nothing(kind: str) -> None:
    made = off_policy_rows()
    one, many = (gradient(kind, made, micro_tokens=n)[0] for n in (10_000, 1))
    assert difference(one, many) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_statistics(kind: str) -> None:
    """Rows of the learner's own model are on-policy; rows of an older one are not, and are seen not to be."""
    own, old = worlds.rows(0), worlds.rows(0)
    worlds.sampled_by(worlds.model(0), own, 0.8)
    worlds.sampled_by(worlds.model(1), old, 0.8)
    for made in (own, old):
        for row in made:
            row.ref_logprobs = row.logprobs
    _, _, (fresh,) = learn(kind, [own])
    _, _, (stale,) = learn(kind, [old])
    for role in fresh.roles.values():
        assert role.ratio_mean == pytest.approx(1, abs=1e-5) and role.ratio_max == pytest.approx(1, abs=1e-5)
        assert role.kl == pytest.approx(0, abs=1e-6) and role.clip_fraction == 0
        assert 0 < role.entropy < np.log(worlds.VOCABULARY)
    for role in stale.roles.values():
        assert role.ratio_max > 1.5 and role.clip_fraction > 0.05
    assert stale.roles["proposer"].kl > 0.01 and stale.roles["solver"].kl == 0
    assert fresh.tokens == sum(int(r.mask.sum()) for r in own) == sum(r.tokens for r in fresh.roles.values())
    assert (fresh.rows, fresh.update) == (24, 1) and fresh.grad_norm > 0


@pytest.mark.parametrize("kind", KINDS)
def test_stale_rows_are_not_taken_for_fresh_ones(kind: str) -> None:
    """With advantage 1 the loss is minus the mean ratio: -1 if old log-probabilities were silently recomputed."""
    made = worlds.rows(0)
    worlds.sampled_by(worlds.model(1), made, 0.8)
    for row in made:
        row.advantages[:] = 1.0
    _, _, (stats,) = learn(kind, [made], kl={}, epsilon_high=1e9)
    ratio = sum(r.ratio_mean * r.tokens for r in stats.roles.values()) / stats.tokens
    assert stats.loss == pytest.approx(-ratio, rel=1e-5) and abs(ratio - 1) > 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_continuation_is_bit_identical(kind: str, schedule: str, tmp_path: Path) -> None:
    batches = [off_policy_rows(seed) for seed in range(4)]
    changes = {"schedule": schedule, "total_updates": 6}
    straight, _, stats = learn(kind, batches, **changes)
    _, first, begun = learn(kind, batches[:2], **changes)
    first.save(tmp_path / "checkpoint")

    model = worlds.model(9)  # everything must come from the checkpoint
    second: Learner = make_learner(model, worlds.tokenizer(), settings(kind, **changes))
    second.load(tmp_path / "checkpoint")
    second.train(iter(batches[2:]), begun.append)
    assert np.array_equal(weights(straight), weights(model))
    assert [timeless(s) for s in begun] == [timeless(s) for s in stats]


def timeless(stats: UpdateStats) -> UpdateStats:
    return dataclasses.replace(stats, seconds=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_training_can_go_on_in_several_calls(kind: str) -> None:
    batches = [off_policy_rows(seed) for seed in range(2)]
    straight, _, _ = learn(kind, batches)
    model, learner, stats = learn(kind, batches[:1])
    learner.train(iter(batches[1:]), stats.append)
    assert np.array_equal(weights(straight), weights(model)) and [s.update for s in stats] == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_can_be_taken_up_between_two_updates(kind: str, tmp_path: Path) -> None:
    """Rolling back while training goes on ends where a run that never went astray ends."""
    good, bad = [off_policy_rows(0), off_policy_rows(1)], off_policy_rows(2)
    straight, _, _ = learn(kind, good)
    model = worlds.model(0)
    learner = make_learner(model, worlds.tokenizer(), settings(kind))
    updates: list[int] = []

    def on_update(stats: UpdateStats) -> None:
        updates.append(stats.update)
        if len(updates) == 1:
            learner.save(tmp_path)
        if len(updates) == 2:
            learner.load(tmp_path)

    learner.train(iter([good[0], bad, good[1]]), on_update)
    assert updates == [1, 2, 2] and np.array_equal(weights(straight), weights(model))


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_batch_is_pulled_only_after_the_update(kind: str) -> None:
    model = worlds.model(0)
    learner = make_learner(model, worlds.tokenizer(), settings(kind))
    events: list[str] = []
    seen = [weights(model)]

    def batches():
        for i in range(3):
            events.append(f"pull {i}")
            if i:
                assert not np.array_equal(weights(model), seen[-1])
                seen.append(weights(model))
            yield off_policy_rows(i)

    learner.train(batches(), lambda stats: events.append(f"update {stats.update}"))
    assert events == ["pull 0", "update 1", "pull 1", "update 2", "pull 2", "update 3"]


def without_learnable_tokens(made: list[Row]) -> list[Row]:
    for row in made:
        row.mask[:] = False
    return made


def without_advantage(made: list[Row]) -> list[Row]:
    for row in made:
        row.advantages[:] = 0.0
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("empty", [lambda made: [], without_learnable_tokens, without_advantage])
def test_a_batch_with_nothing_to_learn_from_is_a_counted_update(kind: str, empty: Callable[..., list[Row]]) -> None:
    batch = empty(worlds.rows(0))
    before = weights(worlds.model(0))
    model, _, (stats,) = learn(kind, [batch], kl={})
    assert np.array_equal(weights(model), before)
    assert (stats.update, stats.loss, stats.grad_norm, stats.roles) == (1, 0.0, 0.0, {})
    _, _, after = learn(kind, [batch, off_policy_rows()], kl={})
    assert after[1].update == 2 and after[1].grad_norm > 0


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_cannot_move_the_weights_count_in_the_denominator(kind: str) -> None:
    made = off_policy_rows()
    for row in made[:12]:
        row.advantages[:] = 0.0
    _, _, (stats,) = learn(kind, [made], kl={})
    assert stats.tokens == sum(int(r.mask.sum()) for r in made)
    assert sum(r.rows for r in stats.roles.values()) == 12
    full = gradient(kind, made, kl={})[0]
    tokens = stats.tokens / sum(int(r.mask.sum()) for r in made[12:])
    assert difference(full * tokens, gradient(kind, made[12:], kl={})[0]) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_learning_makes_rewarded_replies_likelier(kind: str) -> None:
    from selfplay.policies.scoring import token_logprobs

    made = worlds.rows(0)
    for row in made:
        row.advantages[:] = 1.0 if row.role == "solver" else -1.0
    model = worlds.model(0)
    worlds.sampled_by(model, made, 0.8)
    learner = make_learner(model, worlds.tokenizer(), settings(kind, kl={}, epsilon_low=0.9, epsilon_high=5.0))
    learner.train(iter([made] * 8), lambda stats: None)
    ids = [r.prompt_ids.tolist() for r in made], [r.completion_ids.tolist() for r in made]
    now = token_logprobs(model, *ids, temperature=0.8)
    gain = [float((new - r.logprobs)[r.mask].mean()) for new, r in zip(now, made, strict=True)]
    assert np.mean([g for g, r in zip(gain, made, strict=True) if r.role == "solver"]) > 0.2
    assert np.mean([g for g, r in zip(gain, made, strict=True) if r.role != "solver"]) < -0.2


@pytest.mark.parametrize("kind", KINDS)
def test_missing_reference_log_probabilities_are_named(kind: str) -> None:
    made = worlds.rows(0)
    made[0].match = "g0000-m0007"
    with pytest.raises(UsageError, match=r"'proposer'.*g0000-m0007.*no reference"):
        learn(kind, [made])


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_checkpoint_says_where_it_lies(kind: str, tmp_path: Path) -> None:
    _, learner, _ = learn(kind, [off_policy_rows()])
    learner.save(tmp_path)
    (tmp_path / "learner.pt").write_bytes(b"torn")
    with pytest.raises(RunError, match=str(tmp_path)):
        make_learner(worlds.model(0), worlds.tokenizer(), settings(kind)).load(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_no_network_no_files_no_noise(kind: str, monkeypatch, tmp_path: Path, capsys) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a learner tried to connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    learn(kind, [off_policy_rows()])
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"gradient_accumulation_steps": 2},
        {"num_iterations": 2},
        {"loss_type": "grpo"},
        {"importance_sampling_level": "sequence"},
        {"beta": 0.1},
        {"use_vllm": True},
    ],
)
def test_row_trainer_refuses_what_its_seams_do_not_carry(bad: dict[str, object]) -> None:
    from selfplay.learning.policy_gradient import RowTrainer, grpo_config

    s = settings("trl")
    args = grpo_config(s)
    for name, value in bad.items():
        setattr(args, name, value)
    with pytest.raises(UsageError, match=next(iter(bad))):
        RowTrainer(worlds.model(0), worlds.tokenizer(), args, s)


def test_micro_batches_are_pure_and_within_budget() -> None:
    from selfplay.learning.batches import micro_batches

    made = off_policy_rows(n=60)
    micros = micro_batches(made, settings("plain"))
    assert sorted(id(r) for m in micros for r in m.rows) == sorted(map(id, made))
    for micro in micros:
        assert len({(r.role, r.tag) for r in micro.rows}) == 1
        width = max(len(r.prompt_ids) + len(r.completion_ids) for r in micro.rows)
        assert width * len(micro.rows) <= 150
    assert {m.kind: m.kl for m in micros} == {"proposer": 0.5, "solver": 0.0, "solver/revise": 0.02}


def test_schedule() -> None:
    linear = LearnerSettings(warmup_updates=2, total_updates=6, schedule="linear")
    assert [linear.lr_factor(u) for u in range(7)] == [0.5, 1, 1, 0.75, 0.5, 0.25, 0]
    assert [LearnerSettings(warmup_updates=1).lr_factor(u) for u in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    "bad", [{"loss": "ppo"}, {"kind": "jax"}, {"lr": 0}, {"kl": {"solver": -1.0}}, {"schedule": "linear"}]
)
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(bad))):
        LearnerSettings(**bad)
