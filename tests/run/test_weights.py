"""Roles with weights of their own: forks, adapters, frozen ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import selfplay
from selfplay.errors import UnknownName, UsageError
from selfplay.record.run import Run
from selfplay.run.parts import Parts
from selfplay.run.players import snapshot_path
from selfplay.run.recipe_file import load_recipe

Weights = Callable[[Path], dict[str, bytes]]
OWN = ["roles.asker.weights={kind}", "roles.answerer.weights={kind}"]


def own(kind: str, *more: str) -> list[str]:
    return [setting.format(kind=kind) for setting in OWN] + list(more)


def tensors(folder: Path, name: str = "model.safetensors") -> dict[str, bytes]:
    from safetensors import safe_open

    with safe_open(folder / name, "np") as file:
        return {key: file.get_tensor(key).tobytes() for key in file.keys()}  # noqa: SIM118


def killed_after(run: Run, generation: int, to: Path) -> Path:
    """A copy of a run's folder as if it had been killed before it wrote a checkpoint later than this generation's."""
    copy = selfplay.open_run(shutil.copytree(run.path, to, symlinks=True))
    for checkpoint in copy.folder.sealed():
        if checkpoint.generation > generation:
            shutil.rmtree(checkpoint.path)
    for log in (copy.folder.events, copy.folder.metrics):
        log.write_bytes(log.read_bytes()[:-20])
    return copy.path


@pytest.mark.parametrize("learner", ["plain", "trl"])
@pytest.mark.parametrize("kind", ["fork", "adapter"])
def test_roles_learn_apart_and_resume_to_the_same_bits(
    recipe_file: Path, tmp_path: Path, kind: str, learner: str
) -> None:
    more = (f"learning.learner={learner}", "learning.window=2", "learning.minibatch=9", "learning.epochs=2")
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=own(kind, *more))
    last = snapshot_path(f"{run.path}@last", tmp_path / "runs")
    first = snapshot_path(f"{run.path}@gen-0", tmp_path / "runs")
    assert tensors(last) != tensors(first) and tensors(last / "asker") != tensors(first / "asker")
    assert tensors(last) != tensors(last / "asker")
    resumed = selfplay.league(resume=killed_after(run, 3, tmp_path / "killed"))
    again = snapshot_path(f"{resumed.path}@last")
    assert tensors(again) == tensors(last) and tensors(again / "asker") == tensors(last / "asker")
    assert [e["levels"] for e in resumed.events("canary")] == [e["levels"] for e in run.events("canary")]


def test_any_roles_weights_can_be_taken_out_of_a_snapshot(recipe_file: Path, tmp_path: Path, game_file: Path) -> None:
    root = tmp_path / "runs"
    run = selfplay.league(recipe_file, root=root, overrides=own("fork", "schedule.generations=2"))
    assert snapshot_path(f"{run.path}@last/asker", root).name == "asker"
    with pytest.raises(UnknownName, match="did you mean 'asker'"):
        snapshot_path(f"{run.path}@last/askr", root)
    players = {"asker": f"{run.path}@last/asker", "answerer": f"{run.path}@last"}
    record = selfplay.play(f"{game_file}:Vowels", players, root=root)
    assert record.moves[0].player == players["asker"]


@pytest.mark.parametrize("learning", ["shared", "fork", "adapter"])
def test_a_frozen_role_really_is_frozen(
    recipe_file: Path, tmp_path: Path, learning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    built: list[Parts] = []
    original = Parts.of.__func__  # type: ignore[attr-defined]

    def of(cls: type[Parts], *args: object) -> Parts:
        built.append(original(cls, *args))
        return built[-1]

    monkeypatch.setattr(Parts, "of", classmethod(of))
    sets = [f"roles.answerer.weights={learning}", "roles.asker.weights=frozen", "schedule.generations=3"]
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=sets)
    cast = built[0].cast
    recipe, _ = load_recipe(recipe_file)
    fresh = Parts.of(recipe, "runs").cast.weights["main"].policy.model.state_dict()
    with cast.reference() as model:
        assert model is not None
        now = {name.replace(".base_layer", ""): value for name, value in model.state_dict().items()}
        assert all(torch.equal(now[name], value) for name, value in fresh.items())
    versions = {m.completion.weights_version for r in run.matches() for m in r.moves if m.role == "asker"}
    learned = {m.completion.weights_version for r in run.matches() for m in r.moves if m.role == "answerer"}
    assert learned == {0, 1, 2} and (learning == "adapter" or versions == {0})
    assert all(
        "asker" not in line["roles"] or line["roles"]["asker"].get("grad_norm") is None for line in run.metrics()
    )


def test_a_frozen_role_that_starts_from_weights_that_train_elsewhere(
    recipe_file: Path, tmp_path: Path, weights: Weights
) -> None:
    root = tmp_path / "runs"
    first = selfplay.league(recipe_file, root=root, overrides=["schedule.generations=2"])
    before = weights(first.path)
    sets = [f"policy.base={first.path}@last", f"roles.asker.player={first.path}@last", "schedule.generations=2"]
    second = selfplay.league(recipe_file, root=root, overrides=sets)
    assert weights(first.path) == before and weights(second.path) != before
    replies = {m.completion.weights_version for r in second.matches() for m in r.moves if m.role == "asker"}
    assert replies == {0}


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (
            own("adapter", "adapter.modules=['qq_proj']"),
            r"adapter.modules names 'qq_proj'(?s:.*)linear layers: .*q_proj",
        ),
        (own("frozen"), "no role learns"),
        (["roles.asker.weights=frozen", "roles.asker.update_every=2"], "nothing is ever updated"),
        (own("fork", "roles.asker.sampling={temperature=0.5}"), "roles that learn must share a temperature"),
    ],
)
def test_weights_that_cannot_work(recipe_file: Path, tmp_path: Path, sets: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        selfplay.league(recipe_file, root=tmp_path / "runs", overrides=sets)
    assert not (tmp_path / "runs").exists()


def test_one_role_may_have_an_adapter_while_the_other_trains_a_whole_model(recipe_file: Path, tmp_path: Path) -> None:
    sets = ["roles.asker.weights=adapter", "schedule.generations=2"]
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=sets)
    last, first = (snapshot_path(f"{run.path}@{which}") for which in ("last", "gen-0"))
    assert tensors(last) != tensors(first) and tensors(last / "asker") != tensors(first / "asker")
    adapted = [name for name, value in tensors(last / "asker").items() if value != tensors(first / "asker")[name]]
    assert adapted and all("proj" in name for name in adapted)


def test_a_rollback_puts_every_roles_weights_back(recipe_file: Path, tmp_path: Path) -> None:
    rule = '\n[[health]]\nmetric = "answerer/entropy"\nkind = "above"\nthreshold = -1.0\naction = "rollback"\n'
    recipe_file.write_text(recipe_file.read_text() + rule + "\n[limits]\nrollbacks = 9\n")
    for kind in ("fork", "adapter"):
        sets = own(kind, "schedule.generations=2", "evaluation.every=0", "learning.average=0")
        run = selfplay.league(recipe_file, root=tmp_path / kind, overrides=[*sets, "schedule.checkpoint_every=1"])
        assert [event["action"] for event in run.events("alarm")] == ["rollback"] * 2
        first, checkpoint = snapshot_path(f"{run.path}@gen-0"), run.folder.sealed()[-1].path
        if kind == "fork":
            # by value: of tied weights a checkpoint keeps the other name
            assert {*tensors(first / "asker").values()} == {*tensors(checkpoint / "asker").values()}
            assert {*tensors(first).values()} == {*tensors(checkpoint / "answerer").values()}
        else:
            saved = tensors(first, "adapters.safetensors") | tensors(first / "asker", "adapters.safetensors")
            assert tensors(checkpoint) == saved
