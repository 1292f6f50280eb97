"""Models from Hugging Face folders and ids, and back into folders.

Only safetensors weights are read and no code from a model's repository is run (`trust_remote_code` stays False).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from selfplay.errors import UsageError
from selfplay.policies.folders import check_source
from selfplay.policies.hf import LocalPolicy

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_hf(
    source: str | os.PathLike[str],
    *,
    dtype: str = "auto",
    device: str = "auto",
    rows: int | None = None,
    threads: int | None = None,
) -> LocalPolicy:
    """A policy from a folder or a Hugging Face id.

    Args:
        source: a folder with ``config.json``, safetensors weights and a tokenizer, or an id such as ``org/name``.
        dtype: ``float32``, ``bfloat16``, ``float16``; ``auto`` is float32 on a CPU and the model's own elsewhere.
        device: a torch device; ``auto`` takes an accelerator where there is one.
        rows: most replies sampled together; see `LocalPolicy`.
        threads: torch threads for this whole process; left as they are by default.

    Raises:
        UsageError: the path is missing, it is not a causal language model, or it lacks weights or a tokenizer.
    """
    name = os.path.expanduser(source)
    check_source(name)
    target = _device(device)
    config = _config(name)
    if dtype not in DTYPES and dtype != "auto":
        raise UsageError(f"unknown dtype {dtype!r}\n  known: auto, {', '.join(DTYPES)}")
    if threads is not None:
        torch.set_num_threads(threads)
    wanted = torch.float32 if dtype == "auto" and target.type == "cpu" else DTYPES.get(dtype, "auto")
    tokenizer = _tokenizer(name)
    return LocalPolicy(_weights(name, config, wanted).eval().to(target), tokenizer, rows=rows)


def save_hf(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    weights: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write a plain Hugging Face folder, loadable by `load_hf` and by transformers' Auto classes.

    Args:
        weights: instead of the model's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _no_progress_bars():
        model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)


def _device(device: str) -> torch.device:
    if device != "auto":
        try:
            return torch.empty(0, device=device).device
        except RuntimeError as error:
            raise UsageError(f"cannot use device {device!r}: {_first_line(error)}") from error
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator or torch.device("cpu")


def _config(name: str) -> PreTrainedConfig:
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot load model {name!r}: {_first_line(error)}\n"
            "  give a folder, or an id that this machine has downloaded or can download; repositories that need their\n"
            "  own code to be run are not supported"
        ) from error
    kinds = config.architectures or []
    causal = any(kind.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")) for kind in kinds)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or (kinds and not causal) or config.is_encoder_decoder:
        raise UsageError(
            f"{name!r} is not a causal language model: its config names {', '.join(kinds) or config.model_type}\n"
            "  expected an architecture that ends in ForCausalLM"
        )
    return config


def _weights(name: str, config: PreTrainedConfig, dtype: torch.dtype | str) -> PreTrainedModel:
    try:
        with _no_progress_bars():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                name,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UsageError(
            f"cannot load the weights of {name!r}: {_first_line(error)}\n"
            "  only safetensors files are read; a checkpoint in another format must be converted first"
        ) from error
    model, report = loaded
    if missing := sorted(report["missing_keys"]):  # transformers would go on with random numbers in their place
        raise UsageError(
            f"cannot load the weights of {name!r}: tensors are missing ({len(missing)}, the first is {missing[0]})\n"
            "  the weights do not belong to this config.json"
        )
    return model  # type: ignore[no-any-return]


def _tokenizer(name: str) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # transformers raises whatever its tokenizer classes trip over
        raise UsageError(
            f"{name!r} has no tokenizer that can be loaded: {_first_line(error)}\n"
            "  save one beside the weights (tokenizer.save_pretrained)"
        ) from error
    return tokenizer


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """They would write over live views."""
    were_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if were_on:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
