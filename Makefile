# flowtape: everything a clone needs is Python 3.11 or newer and make.
# `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt

# Tests share the cores of the machine; PYTEST_ARGS replaces this, e.g. `make test PYTEST_ARGS="-x tests/engine"`.
PYTEST_ARGS ?= -n 2 --dist worksteal
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test check format bench deviations clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.ready ## Open the monitor on the simulated market (or: make run ARGS="binance:BTC/USDT")
	@$(BIN)/flowtape $(ARGS)

test: $(VENV)/.ready-dev ## Run all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.ready-dev ## Lint, formatting, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.ready-dev ## Put the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready-dev ## Measure speed on this machine, side by side with the alternatives
	$(BIN)/python -m pytest tests/bench -p no:xdist -s

deviations: $(VENV)/.ready-dev ## How far the metrics are from their references, counted while their tests run
	$(BIN)/python -m tests.engine.metrics.deviations

clean: ## Remove the environment and everything that was generated
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made once. The stamps make `pip` run again only when what is to be installed has changed.
$(BIN)/python:
	@for candidate in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3 python; do \
	    if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        echo "Creating $(VENV) with $$("$$candidate" --version)"; \
	        exec "$$candidate" -m venv $(VENV); \
	    fi; \
	done; \
	echo "flowtape needs Python 3.11 or newer with its venv module, and none was found." >&2; \
	echo "Install one (on Debian and Ubuntu also the package python3-venv), or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

$(VENV)/.ready: $(INPUTS) | $(BIN)/python
	@echo "Installing into $(VENV), once; this takes a minute or two."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.ready-dev: $(INPUTS) | $(BIN)/python
	@echo "Installing into $(VENV), once; this takes a minute or two."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/.ready $@
