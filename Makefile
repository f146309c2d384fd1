# Every target builds .venv from constraints.txt when it has to. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -qq
TORCH  := torch==$(shell sed -n 's/^torch==//p' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help demo test mutants fuzz fuzz-bundles fuzz-torch opinfo sanitize lint bench triton-check cuda-check gpu-bench clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## compile two real models, compare them with eager and Inductor
	@$(BIN)/warpweave demo

test: $(VENV)/.installed ## the whole test suite, standing for a CPU with AVX2; ISA=amx (portable, avx512, avx512_bf16) for one with that
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal $(if $(ISA),--isa=$(ISA)) $(ARGS)

mutants: $(VENV)/.installed ## wrong variants of the compiler, each of which the tests must find
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal tests/mutants $(ARGS)

fuzz: $(VENV)/.installed ## 10,000 generated programs through every pass; ARGS="--seed 1"
	@$(BIN)/warpweave fuzz --programs 10000 $(ARGS)

fuzz-bundles: $(VENV)/.installed ## 5,000 damaged and altered bundles, each loaded and called in a process that may die
	@$(BIN)/warpweave fuzz --bundles 5000 $(ARGS)

fuzz-torch: $(VENV)/.installed ## 20,000 drawn PyTorch functions against eager; ARGS="--seed 1"
	@$(BIN)/python -m warpweave.fuzz torch $(ARGS)

opinfo: $(VENV)/.installed ## PyTorch's own operator database, every sample, forward and gradients; ARGS="--ops add,sum --dtype float32 --budget 600 --log FILE"
	@$(BIN)/python -m warpweave.fuzz opinfo $(ARGS)

sanitize: $(VENV)/.installed ## 1,000 hostile calls of kernels and a runner built with AddressSanitizer and UndefinedBehaviorSanitizer
	@$(BIN)/python -m warpweave.fuzz hostile --sanitize $(ARGS)

lint: $(VENV)/.lint ## ruff and pyright
	@$(BIN)/ruff check . && PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.bench ## benchmarks against eager and Inductor; ARGS="--quick" for a short run, "--full" for a long one
	@$(BIN)/python -m warpweave.bench.run $(ARGS)

triton-check: $(VENV)/.installed ## representative kernels compiled for sm_80, sm_90 and sm_100, checked, and run in Triton's interpreter; no GPU
	@$(BIN)/python -m warpweave.bench.triton_check --results $(ARGS)

cuda-check: $(VENV)/.installed ## the same kernels as CUDA of warp roles: proved, compiled for sm_90a and sm_80, checked, run in the emulator; no GPU
	@$(BIN)/python -m warpweave.bench.cuda_check --results $(ARGS)

gpu-bench: $(VENV)/.installed ## on a GPU, in under nine minutes: kernels against float64, a Llama layer, GEMM and attention against eager and Inductor; ARGS="--dry-run" without one
	@$(BIN)/python -m warpweave.bench.gpu $(ARGS)

clean: ## remove the virtual environment and everything that was built
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "installing into $(VENV) (first run only) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install "$(TORCH)"
	@$(PIP) install --constraint constraints.txt --editable ".[test,demo]"
	@touch $@

$(VENV)/.bench: $(VENV)/.installed
	@$(PIP) install --constraint constraints.txt --editable ".[bench]"
	@touch $@

$(VENV)/.lint: $(VENV)/.installed
	@$(PIP) install --constraint constraints.txt --editable ".[lint]"
	@touch $@
