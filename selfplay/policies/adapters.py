"""Several LoRA adapters on one base model, one per role (Hu et al. 2021, arXiv 2106.09685).

The base never moves: it is at once what all adapters share, the frozen opponent and the reference of KL terms, so a
second copy of it is not needed. Adapters are injected into the model in place; which one acts is chosen for a forward
pass by `Adapters.active`. Sampling for two roles may be asked for by two threads, so that choice is a lock as well.

Adapters are saved merged into the base (`merged_weights`), as plain weights that load without PEFT.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from selfplay.errors import UsageError
from selfplay.policies.hf import LocalPolicy
from selfplay.seeds import derive
from selfplay.types import Completion, Request

EVERYWHERE = "all-linear"


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """Size and place of every adapter."""

    rank: int = 8
    """Of the two factors of a weight's change."""
    alpha: float = 16.0
    """The change is scaled by alpha / rank."""
    modules: tuple[str, ...] = ()
    """Ends of the names of the linear layers that get one, such as ``q_proj``; none: all but the output layer."""


class Adapters:
    """The adapters of one model.

    Args:
        model: gets them injected; its own weights stop learning.
        names: one adapter each; all start as no change at all.
        settings: the same for all.
        seed: of the random factor that makes the first gradient differ from 0.

    Raises:
        UsageError: the model has no layer of a name that `settings` gives.
    """

    def __init__(self, model: PreTrainedModel, names: Sequence[str], settings: AdapterSettings, seed: int) -> None:
        self.model, self.names = model, tuple(names)
        _check_modules(model, settings.modules)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for name in self.names:
            config = LoraConfig(
                r=settings.rank,
                lora_alpha=settings.alpha,  # type: ignore[arg-type]  # any number works
                lora_dropout=0.0,
                target_modules=list(settings.modules) or EVERYWHERE,
                init_lora_weights=True,
            )
            with torch.random.fork_rng(), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # PEFT doubts that several adapters are meant
                torch.manual_seed(derive(seed, "adapter", name) % 2**63)
                inject_adapter_in_model(config, model, adapter_name=name)
        self._layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
        self._parameters = [p for name, p in model.named_parameters() if ".lora_" in name]
        self._lock = threading.RLock()
        self._switch(None)

    def parameters(self) -> list[torch.nn.Parameter]:
        """Of all adapters: what learns."""
        return self._parameters

    @contextmanager
    def active(self, name: str | None) -> Iterator[None]:
        """Inside, the model is the base with this adapter, or the base alone; other threads wait."""
        with self._lock:
            before = self._active
            self._switch(name)
            try:
                yield
            finally:
                self._switch(before)

    def merged_weights(self, name: str) -> dict[str, torch.Tensor]:
        """The base's weights with one adapter's change added, under the base's names."""
        changed: dict[int, torch.Tensor] = {}
        for layer in self._layers:
            delta: Callable[[str], torch.Tensor] = getattr(layer, "get_delta_weight")  # noqa: B009 - of its subclasses
            changed[id(layer.get_base_layer().weight)] = delta(name)
        return {
            key.replace(".base_layer.", "."): tensor + changed[id(parameter)] if id(parameter) in changed else tensor
            for key, parameter in self.model.named_parameters(remove_duplicate=False)
            if ".lora_" not in key
            for tensor in [parameter.detach()]
        }

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """The weights of one adapter, as they are."""
        own = self._own(name)
        return {key: parameter.detach().contiguous() for key, parameter in own.items()}

    @torch.no_grad()
    def take(self, name: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put what `tensors` gave back."""
        for key, parameter in self._own(name).items():
            parameter.copy_(tensors[key])

    def _own(self, name: str) -> dict[str, torch.nn.Parameter]:
        mark = f".{name}."
        return {key: p for key, p in self.model.named_parameters() if ".lora_" in key and mark in key}

    def _switch(self, name: str | None) -> None:
        self._active = name
        for layer in self._layers:
            layer.enable_adapters(name is not None)
            if name is not None:
                layer.set_adapter(name)
        for parameter in self._parameters:  # PEFT freezes what is not active; gradients of several adapters add up here
            parameter.requires_grad_(True)


class AdapterPolicy:
    """The model with one of its adapters, or its base alone, as a `selfplay.types.Policy`."""

    def __init__(self, policy: LocalPolicy, adapters: Adapters, name: str | None) -> None:
        self._policy, self._adapters, self._name = policy, adapters, name

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """As the model's own."""
        with self._adapters.active(self._name):
            return self._policy.complete(requests)


def _check_modules(model: PreTrainedModel, modules: Sequence[str]) -> None:
    linear = sorted({n.rpartition(".")[2] for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)})
    for wanted in modules:
        if not any(f".{name}".endswith(f".{wanted}") for name, _ in model.named_modules()):
            raise UsageError(
                f"adapter.modules names {wanted!r}, but {type(model).__name__} has no such layer\n"
                f"  linear layers: {', '.join(linear)}"
            )
