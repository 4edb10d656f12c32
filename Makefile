# `make help` lists what there is. Everything runs in .venv, made from the locked sets in requirements/.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
export SLIPWAY_ROOT := $(CURDIR)

.PHONY: help install demo test test-fast format lint bench bench-release bench-decisions bench-kubernetes bench-serving docs lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Install everything into .venv (every other command does it first)

demo: $(INSTALLED) ## Watch four model versions travel from MLflow into live traffic (KEEP=1 leaves everything up)
	@$(BIN)/python -m demo

test: $(INSTALLED) ## Run every test in two processes, against real servers; those on a cluster where one is configured (docs/kubernetes.md)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-fast: $(INSTALLED) ## Run the tests that need no server, on all cores: about a minute on two
	@$(BIN)/python -m pytest -m unit -n auto $(ARGS)

format: $(INSTALLED) ## Put the code into its form, and mend what can be mended by itself
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

lint: $(INSTALLED) ## Style, types, import contracts, prefect.yaml
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.lint.prefect_yaml prefect.yaml
	$(BIN)/codespell

bench: bench-release bench-decisions bench-serving ## Run every benchmark

bench-release: $(INSTALLED) ## Ten runs of the demo: requests lost, lead time by stage (RUNS=10)
	@$(BIN)/python -m benchmarks.release.run

bench-decisions: $(INSTALLED) ## False rollbacks, delay and bad answers of Slipway and its peers on the same traces
	@$(BIN)/python -m benchmarks.decisions.run

bench-kubernetes: $(INSTALLED) ## Rollouts, releases, images and reconcile over 500 models on the cluster that tests use
	@$(BIN)/python -m benchmarks.kubernetes.run $(ARGS)

bench-serving: $(INSTALLED) ## The inference service beside its peers, same models, same run: half an hour (needs wrk; ARGS=--quick)
	@$(BIN)/python -m benchmarks.serving.run $(ARGS)

docs: $(INSTALLED) ## Write what docs/ takes from the code: settings, spec schema, release figures
	@$(BIN)/python -m docs.generate

lock: $(INSTALLED) ## Resolve the locked sets anew
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes -q --no-header \
		--no-annotate --upgrade -o requirements/base.txt
	$(BIN)/uv pip compile pyproject.toml --extra sklearn --group dev --universal --python-version 3.11 \
		--generate-hashes -q --no-header --no-annotate --upgrade -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml --extra cluster --extra sklearn --universal --python-version 3.11 \
		--generate-hashes -q --no-header --no-annotate --upgrade -c requirements/dev.txt -o requirements/worker.txt

clean: ## Stop the stack and remove everything that was made here
	@if [ -x $(BIN)/slipway ]; then $(BIN)/slipway down || true; SLIPWAY_HOME=.slipway/demo $(BIN)/slipway down || true; fi
	rm -rf .venv .slipway .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

$(INSTALLED): requirements/installer.txt requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found on PATH; install one, or say PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Installing into .venv with $(PYTHON): a minute or two, the first time only"
	@$(PYTHON) -m venv --clear .venv || { echo "$(PYTHON) can't make virtual environments (Debian: apt install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/installer.txt
	@$(BIN)/uv pip install -q --python .venv --require-hashes --compile-bytecode -r requirements/dev.txt
	@$(BIN)/uv pip install -q --python .venv --no-deps -e .
	@touch $@
