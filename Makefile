# Everything from a fresh machine: Python 3.11 or 3.12, make, a package registry.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: setup train test check tensorboard
setup: .venv/ready

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

train: setup  ## make train ARGS="attention=bahdanau seed=2"
	$(BIN)/nmt train $(ARGS)

test: setup  ## a process a core, each with one thread
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --pythonpath $(BIN)/python

tensorboard: setup
	$(BIN)/tensorboard --logdir runs --samples_per_plugin images=1000,text=1000 $(ARGS)
