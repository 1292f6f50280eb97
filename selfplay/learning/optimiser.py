"""AdamW with its schedule, and the checkpoint of a learner: shared by both learners, so that they take equal steps."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, load_model, save_file, save_model
from torch.optim.lr_scheduler import LambdaLR

from selfplay.errors import RunError
from selfplay.learning.learner import LearnerSettings

WEIGHTS, STATE = "model.safetensors", "learner.pt"


def make_optimiser(model: torch.nn.Module, settings: LearnerSettings) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """AdamW over the trainable parameters, and the learning rate's schedule in updates."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, fused=True)
    return optimiser, LambdaLR(optimiser, settings.lr_factor)


def set_rate(optimiser: torch.optim.Optimizer, scheduler: LambdaLR, settings: LearnerSettings) -> None:
    """Go on at another learning rate, at the same place of its schedule."""
    now = settings.lr * settings.lr_factor(scheduler.last_epoch)
    for group in optimiser.param_groups:
        group["initial_lr"], group["lr"] = settings.lr, now
    groups = len(optimiser.param_groups)
    scheduler.load_state_dict(
        {**scheduler.state_dict(), "base_lrs": [settings.lr] * groups, "_last_lr": [now] * groups}
    )


def save_learner(
    folder: Path, model: torch.nn.Module, optimiser: torch.optim.Optimizer, scheduler: LambdaLR, updates: int
) -> None:
    """Write weights and optimiser state into `folder`, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    if trained := _trained_part(model):
        save_file(trained, folder / WEIGHTS)
    else:
        save_model(model, str(folder / WEIGHTS))
    state = {"optimiser": optimiser.state_dict(), "scheduler": scheduler.state_dict(), "updates": updates}
    torch.save(state, folder / STATE)


def _trained_part(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights that learn, where others do not (adapters on a base); empty if all do."""
    if all(p.requires_grad for p in model.parameters()):
        return {}
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def load_learner(
    folder: Path,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    scheduler: LambdaLR,
    settings: LearnerSettings,
) -> int:
    """Put what `save_learner` wrote into these objects; returns the number of updates.

    The learning rate is that of the settings: a phase may have begun since the checkpoint was written.

    Raises:
        RunError: files are missing, damaged, or of a model of another shape.
    """
    try:
        if trained := _trained_part(model):
            saved = load_file(folder / WEIGHTS)
            for name, weight in trained.items():
                weight.copy_(saved[name])
        else:
            load_model(model, str(folder / WEIGHTS))
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        optimiser.load_state_dict(state["optimiser"])
        scheduler.load_state_dict(state["scheduler"])
        set_rate(optimiser, scheduler, settings)
        return int(state["updates"])
    except Exception as error:
        raise RunError(
            f"cannot continue from the checkpoint in {folder}: {error}\n"
            f"  it must hold {WEIGHTS} and {STATE}, written by a learner with the same model"
        ) from error
