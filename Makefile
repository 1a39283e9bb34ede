# Tocsin. `make` lists the targets; `make test` needs nothing but Python 3.11 or newer.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
RUNTIME_LOCK := requirements/runtime.lock
DEV_LOCK := requirements/dev.lock
# One worker a core; `make test WORKERS=0` runs in one process, for a debugger.
WORKERS ?= auto
# Further options of pytest: `make test OPTIONS=--durations=25` names the slowest.
OPTIONS ?=
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) $(OPTIONS)
# Every version and hash comes from the lock; so pip needs no resolver, no cache warnings and no self-check.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## make .venv with every tool, pinned by hash (instant when nothing changed)

$(STAMP): pyproject.toml $(RUNTIME_LOCK) $(DEV_LOCK)
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "setup: no '$(PYTHON)' found. Install Python 3.11 or newer, or name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "setup: $$("$(PYTHON)" --version 2>&1) is too old. Tocsin needs 3.11 or newer: make setup PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "setup: $(PYTHON) lacks venv or ensurepip. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "setup: 1/3 virtual environment in $(VENV)" >&2
	@# One of the same Python is brought up to date in place, so that what runs in it meanwhile goes on.
	@want=$$("$(PYTHON)" -c 'import sys; print(sys.version_info[:2])'); \
	  have=$$($(BIN)/python -c 'import sys; print(sys.version_info[:2])' 2>/dev/null) || have=none; \
	  [ "$$have" = "$$want" ] || "$(PYTHON)" -m venv --clear $(VENV)
	@echo "setup: 2/3 pinned packages (about a minute the first time)" >&2
	@$(PIP) install --require-hashes -r $(DEV_LOCK)
	@echo "setup: 3/3 tocsin itself" >&2
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: setup ## watch a recorded attack become metrics, alerts and pages; Ctrl-C ends it
	@$(BIN)/tocsin demo

.PHONY: test
test: setup check ## everything: checks, then all tests
	@$(PYTEST)

.PHONY: fast
fast: setup ## unit tests only: nothing slow
	@$(PYTEST) -m "not stack and not slow"

.PHONY: test-clock
test-clock: setup ## the fast tests at three other times, in other zones and locales, and on a clock that leaps
	@$(BIN)/python -m tests.clocks

# A loop ends with the shell that started it, however that ends.
BUSY := import os; shell = os.getppid(); any(os.getppid() != shell for _ in iter(int, 1))

.PHONY: test-busy
test-busy: setup ## all tests, beside two loops that do nothing but keep the machine busy
	@loops=(); trap 'kill "$${loops[@]}"' EXIT; \
	  for _ in 1 2; do $(BIN)/python -c '$(BUSY)' & loops+=("$$!"); done; \
	  $(PYTEST)

.PHONY: pictures
pictures: setup ## the pictures of the docs, from a run of the demo (needs Node, npm and Chromium)
	@$(BIN)/python -m tests.pictures

.PHONY: bench
bench: setup ## figures against named references (JSON=1 prints one JSON object)
	@$(BIN)/python -m bench.run $(if $(JSON),--json)

.PHONY: long
long: setup ## property tests with many more examples, techniques too, ten times the fuzzing, LiteLLM in every version, its hook under load
	@TOCSIN_FUZZ=10 $(PYTEST) -m "not stack" --hypothesis-profile=long
	@TOCSIN_CONFORMANCE=12 $(BIN)/python -m pytest tests/alerts/test_conformance.py tests/stack/test_techniques_in_prometheus.py
	@$(BIN)/python -m tests.support.litellm_versions --all
	@TOCSIN_SOAK=1 $(BIN)/python -m pytest -s tests/stack/test_hook_in_litellm.py tests/stack/test_litellm_versions.py \
	  tests/stack/test_litellm_page.py

.PHONY: litellm
litellm: setup ## install LiteLLM for the tests, in the versions that `make test` runs (some 500 MB in your cache)
	@$(BIN)/python -m tests.support.litellm_versions

.PHONY: check
check: setup ## lint, format, types, import direction, generated files
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/mypy .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/tocsin generate --check

.PHONY: generate
generate: setup ## rules, routes, dashboards, runbooks and docs that follow from spec/
	@$(BIN)/tocsin generate

.PHONY: format
format: setup ## put the code in its one format
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

# The locks name no package host: whose mirror they are installed from is the business of the machine.
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header

.PHONY: lock
lock: setup ## newest versions within pyproject's ranges into requirements/*.lock
	@$(LOCK) --upgrade --output-file $(RUNTIME_LOCK)
	@$(LOCK) --upgrade --extra dev --constraint $(RUNTIME_LOCK) --output-file $(DEV_LOCK)
	@! grep -nE 'https?://|find-links|index-url' requirements/*.lock

# One lock for each version of LiteLLM that the tests run. A new one is a new `.in` file beside them.
.PHONY: lock-litellm
lock-litellm: setup ## newest packages beside each LiteLLM version into requirements/litellm/*.lock
	@for wanted in requirements/litellm/*.in; do \
	  $(BIN)/uv pip compile $$wanted --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    --upgrade --output-file $${wanted%.in}.lock; done
	@! grep -nE 'https?://|find-links|index-url' requirements/litellm/*.lock

.PHONY: clean
clean: ## remove .venv and everything the tools cached here (the server cache stays)
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
