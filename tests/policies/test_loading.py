from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from selfplay.errors import UsageError
from selfplay.policies.loading import load_hf, save_hf
from selfplay.types import Message, Request, Sampling


@pytest.fixture
def folder(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Path:
    save_hf(model, tokenizer, tmp_path / "saved")
    return tmp_path / "saved"


def test_a_saved_model_is_a_plain_hugging_face_folder(model: LlamaForCausalLM, folder: Path) -> None:
    again = AutoModelForCausalLM.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(again(ids).logits, model(ids).logits)
    assert tokens.decode(tokens.encode("Guess a number. ½")) == "Guess a number. ½"
    assert "<|user|>hi" in tokens.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)


def test_a_loaded_policy_answers_like_the_saved_one(folder: Path) -> None:
    policy = load_hf(str(folder))
    ask = Request("a", "a", None, (Message("user", "Go."),), Sampling(max_tokens=8), (1, 2))
    again = load_hf(folder, device="cpu", dtype="float32", rows=1)
    assert [c.text for c in policy.complete([ask])[0]] == [c.text for c in again.complete([ask])[0]]
    assert again.sampler.rows == 1


def test_dtype_and_threads_on_request_only(folder: Path) -> None:
    before = torch.get_num_threads()
    assert load_hf(folder, device="cpu").model.dtype == torch.float32
    assert torch.get_num_threads() == before
    assert load_hf(folder, device="cpu", dtype="bfloat16", threads=before).model.dtype == torch.bfloat16


def missing(folder: Path) -> Path:
    return folder / "nowhere"


def empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def masked(folder: Path) -> Path:
    config = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    BertForMaskedLM(config).save_pretrained(folder / "bert")
    return folder / "bert"


def no_tokenizer(folder: Path) -> Path:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    return folder


def pickled(folder: Path) -> Path:
    (folder / "model.safetensors").unlink()
    torch.save({"anything": torch.zeros(1)}, folder / "pytorch_model.bin")
    return folder


def torn(folder: Path) -> Path:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    return folder


def half_empty(folder: Path) -> Path:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def own_code(folder: Path) -> Path:
    """A repository that brings Python files; running them would leave a trace."""
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "homemade", "auto_map": {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    return folder


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (missing, "no such folder"),
        (empty, r"config\.json was expected"),
        (masked, "not a causal language model: its config names BertForMaskedLM"),
        (no_tokenizer, "has no tokenizer"),
        (pickled, "only safetensors"),
        (torn, "cannot load the weights"),
        (half_empty, r"tensors are missing \(1, the first is model.layers.1.mlp.up_proj.weight"),
        (own_code, "own code"),
    ],
)
def test_what_cannot_be_loaded_says_why(folder: Path, spoil: object, says: str) -> None:
    path = spoil(folder)  # type: ignore[operator]
    with pytest.raises(UsageError, match=says):
        load_hf(path)
    assert not (folder / "ran").exists()


def test_unknown_dtype_and_device(folder: Path) -> None:
    with pytest.raises(UsageError, match="float8"):
        load_hf(folder, dtype="float8")
    with pytest.raises(UsageError, match="abacus"):
        load_hf(folder, device="abacus")
