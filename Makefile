# `make run` and `make test` are all a new machine needs; both call `setup` first, which does no work twice.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PORT ?= 8080
export CMD

.PHONY: setup run test check generate bench image cluster soak clean
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## .venv with everything of the lock file, and this project in it

$(STAMP): requirements.lock pyproject.toml
	@echo "setup: installing into $(VENV) (a minute the first time)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: setup ## the samples on this machine: embedded Kafka, live streams, a key and curl lines
	@exec $(BIN)/penstock dev config/samples --kafka embedded --port $(PORT)

check: setup ## format, lint, types, layers, generated files, tables: under a minute
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo --quiet 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest -q tests/test_house.py tests/test_generated.py tests/gateway/test_config.py

test: setup ## everything in its bounded form; lists what was skipped and why
	@$(BIN)/python -m pytest tests

generate: setup ## CRDs, JSON schema and reference pages from the models
	@$(BIN)/penstock crd --write crds && $(BIN)/penstock crd --write helm/penstock/files/crds
	@$(BIN)/python -m penstock_operator.reference --write docs/reference
	@$(BIN)/python -m penstock_gateway.main docs --write docs/reference

bench: setup ## CPU per message and ratios; writes .bench/latest.json
	@$(BIN)/python -m bench

soak: setup ## the long forms of the fault tests; writes a dated result below .bench/
	@mkdir -p .bench && PENSTOCK_SOAK=1 $(BIN)/python -m pytest tests/process -q | tee .bench/soak-$$(date +%Y-%m-%d).txt

image: setup ## both images from the Dockerfile, without a container engine; prints their sizes
	@PYTHONPATH=tests $(BIN)/python -m testbed.images

cluster: setup ## a real Kubernetes with Kafka for CMD='...', a shell without it; ends with its status
	@PYTHONPATH=tests $(BIN)/python -m testbed "$$CMD"

clean: ## forget everything that was built here
	rm -rf $(VENV) .penstock .bench .mypy_cache .ruff_cache .pytest_cache
