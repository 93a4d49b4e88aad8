# Needs Python 3.11+, git and make; every target does its own set-up, once (again when dependencies change).
# Tests of reports in a real browser run where one is: apt-get install chromium chromium-driver.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-all dev bench lint clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEV_PORT ?= 3000
TEST_PROCESSES ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?=

help:
	@echo "make demo      the main job on a generated sample world, checked against its known truth"
	@echo "make dev       the Dagster UI on http://127.0.0.1:$(DEV_PORT) (DEV_PORT=..), on the same home"
	@echo "make test      lint, types, import contract and tests"
	@echo "make test-all  the same with many more generated examples and the tests that take minutes"
	@echo "make bench     the benchmarks (BENCH_ARGS=--quick)"
	@echo "make lint      lint and types alone"
	@echo "make clean     removes what set-up and tests made; the home with its data stays"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=python3.11 ..") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt setuptools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --constraint constraints.txt --editable '.[test,lint]'
	@$(BIN)/python -m compileall -q srp_assets jobs resources expectations
	@touch $@

demo: $(INSTALLED)
	$(BIN)/srp demo

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: export HYPOTHESIS_PROFILE ?= ci
test: lint
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --no-loadscope-reorder $(PYTEST_ARGS)

test-all: export HYPOTHESIS_PROFILE ?= nightly
test-all: lint
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --no-loadscope-reorder -m "" --timeout 7200 $(PYTEST_ARGS)

dev: $(INSTALLED)
	DAGSTER_HOME="$$($(BIN)/python -m resources.dagster_home)" $(BIN)/dagster dev --workspace workspace.yaml --host 127.0.0.1 --port $(DEV_PORT)

bench: $(INSTALLED)
	for benchmark in benchmarks/[a-z]*.py; do $(BIN)/python "$$benchmark" $(BENCH_ARGS); done

clean:
	rm -rf $(VENV) *.egg-info build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
