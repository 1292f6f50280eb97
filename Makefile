# Every target sets up .venv by itself; a second run does not install again.
#
# PyTorch comes first, because on Linux the default build brings several GB of CUDA packages. Where no NVIDIA GPU is found and
# pip is not told to use indexes of its own, the CPU build is taken from PyTorch's own index. To decide yourself:
#     make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu      the CPU build
#     make demo TORCH_INDEX=                                          whatever pip finds
#     make demo TORCH=torch==2.14.0                                   another version

PYTHON ?= python3
TORCH ?= torch==2.13.0
WORKERS ?= 2
MUTANTS ?= 20000
EXECUTIONS ?= 200000
BACKEND ?= local

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
TORCH_INDEX ?= $(shell [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null \
	&& ! { $(PYTHON) -m pip config list; env; } 2>/dev/null | grep -Eiq '(find-links|index-url)=|PIP_(FIND_LINKS|(EXTRA_)?INDEX_URL)=' \
	&& echo https://download.pytorch.org/whl/cpu)

.DEFAULT_GOAL := help
.PHONY: help demo test lint types format bench bench-countdown bench-resume soundness attack soak fuzz clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/train.stamp ## watch a tiny model get better at Countdown by playing against itself (6 minutes, no GPU)
	@$(VENV)/bin/selfplay league examples/countdown/demo.toml
	@echo; echo "  these commands need: . $(VENV)/bin/activate"

test: $(VENV)/test.stamp ## all tests (WORKERS=2 at a time)
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/test.stamp ## style: ruff check and ruff format
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check

format: $(VENV)/test.stamp ## rewrite the code in the project's style
	@$(PY) -m ruff check --fix
	@$(PY) -m ruff format

types: $(VENV)/test.stamp ## mypy --strict on selfplay, envs, roles and sandbox
	@rm -rf .types && mkdir -p .types/selfplay
	@cd .types/selfplay && ln -s ../../selfplay/* ../../envs ../../roles ../../sandbox .
	@$(PY) -m mypy

attack: $(VENV)/test.stamp ## every attack and forgery on every sandbox that this machine can have, as root and as nobody (minutes)
	@$(PY) tests/sandbox/attack.py

soak: $(VENV)/test.stamp ## 200,000 sandboxed programs, a third hostile, workers killed at random (EXECUTIONS=..., BACKEND=docker)
	@$(PY) tests/sandbox/soak.py --executions $(EXECUTIONS) --backend $(BACKEND)

fuzz: $(VENV)/test.stamp ## a million hostile texts for the decoder of sandboxed values (minutes)
	@SELFPLAY_FUZZ_CASES=1000000 $(PY) -m pytest -q tests/sandbox/test_values.py -k tampered --timeout 0

bench: $(VENV)/bench.stamp ## speed: engine, generation, training, where a run's time goes, PettingZoo's door, sandbox
	@set -e; for script in engine generation training share zoo sandbox; do echo "== $$script"; $(PY) benchmarks/$$script.py; done

bench-countdown: $(VENV)/test.stamp ## learning: self-play against random puzzles, naive and warm start (90 minutes, resumable)
	@$(PY) benchmarks/countdown.py --write docs/results.md

# bench-NAME writes what benchmarks/NAME.py finds into docs/results.md: weights, multiplication, vote_training,
# self_correction, digits_frontier, search_agent, kuhn_poker, tic_tac_toe, program_io, code_and_tests,
# propose_solve_verify.
bench-resume: $(VENV)/test.stamp ## twenty kill -9 at random points, bit-identical weights at the end
	@$(PY) benchmarks/resume.py

bench-%: $(VENV)/test.stamp
	@$(PY) benchmarks/$*.py --write docs/results.md

soundness: $(VENV)/test.stamp ## the contracts checker against 20,000 mutants and 2,000 random programs (MUTANTS=...)
	@$(PY) tests/sandbox/checkers/soundness.py --mutants $(MUTANTS) --workers $(WORKERS)

clean: ## remove .venv and everything else that make built; runs/ stays
	@rm -rf $(VENV) .types .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "selfplay needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@echo "[1/3] making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/torch.stamp: | $(PY)
	@$(PY) -c 'import torch' 2>/dev/null || { \
		echo "[2/3] installing $(TORCH)$(if $(TORCH_INDEX), from $(TORCH_INDEX)) (a minute or more)"; \
		$(PIP) install '$(TORCH)' $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)); }
	@touch $@

$(VENV)/train.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "[3/3] installing selfplay[train] (a minute or more)"
	@$(PIP) install -e '.[train]'
	@touch $@

$(VENV)/test.stamp: $(VENV)/train.stamp
	@echo "      installing what the tests need"
	@$(PIP) install -e '.[train,export,test]'
	@touch $@

$(VENV)/bench.stamp: $(VENV)/test.stamp
	@echo "      installing what the benchmarks compare with"
	@$(PIP) install -e '.[train,export,test,bench]'
	@touch $@
