# Everything from a fresh machine: Python 3.11 or newer, make, a package registry.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
CONSTRAINTS ?= constraints.txt  # make setup CONSTRAINTS= takes the newest packages
# Whole files, in the order of tests/conftest.py: long ones first.
TOGETHER := --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: setup train test test-all check docs tensorboard
setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@echo "setting up, once: an environment for Python in .venv"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "installing torch and what else is needed: one to three minutes, in which pip says nothing"
	$(BIN)/python -m pip install --quiet --editable '.[dev,bible,fonts]' $(addprefix --constraint ,$(CONSTRAINTS))
	touch $@

train: setup  ## make train ARGS="attention=bahdanau seed=2"
	$(BIN)/nmt train $(ARGS)

test: setup  ## a process a core, each with one thread
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TOGETHER) $(ARGS)

test-all: setup  ## every combination of choices, where make test takes each pair of two
	NMT_TEST_ALL=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TOGETHER) $(ARGS)

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --pythonpath $(BIN)/python

docs: setup .venv/docs-ready  ## the site, build/docs/index.html; a broken reference is an error
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --conf-dir docs/site --doctree-dir build/doctrees \
		--jobs auto --fail-on-warning --quiet docs build/docs $(ARGS)
	@echo "open build/docs/index.html"

.venv/docs-ready: .venv/ready
	$(BIN)/python -m pip install --quiet --editable '.[docs]' $(addprefix --constraint ,$(CONSTRAINTS))
	touch $@

tensorboard: setup  ## without its second option it shows ten pictures of a sentence
	$(BIN)/tensorboard --logdir runs --samples_per_plugin images=1000,text=1000,nmt_attention=1000 $(ARGS)
