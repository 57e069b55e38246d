# SpotOn. `make` lists the targets; the work is done in scripts/.
# PYTHON names the Python to make the virtual environments with, 3.11 or newer.
export PYTHON ?= python3
BIN := .venv/bin
STARTED := $(shell date +%s.%N)

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-generator demo run test test-timescale check protos bench models lock clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12

install: ## Install what stores, services and demo need into .venv
	@scripts/install.sh runtime

install-dev:
	@scripts/install.sh dev

install-generator:
	@scripts/install-generator.sh

demo: install ## Track people on real video, then stay up; ONCE=1 exits, NO_FLOOR=1 switches the floor off
	@$(BIN)/python -m demo $(if $(ONCE),--once) $(if $(NO_FLOOR),--no-floor) --started $(STARTED)

run: install ## Run stores and services until Ctrl-C
	@$(BIN)/python -m stack up

test: install-dev ## Run all tests; ARGS="-k name" goes to pytest
	@scripts/test.sh $(ARGS)

test-timescale: install-dev ## Run the tests of history on a TimescaleDB: DSN=postgresql://…
	@: $${DSN:?names a TimescaleDB whose user may make databases}
	@SPOTON_TEST_TIMESCALE_DSN="$$DSN" $(BIN)/python -m pytest tests/integration/analytics $(ARGS)

check: install-dev install-generator ## Check format, lint, types, imports and protos
	@scripts/check.sh

protos: install-generator ## Generate the code beside the protos
	@scripts/protos.sh .venv-protos/bin

bench: install ## Measure mesh, history and analytics; writes build/bench*.json
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.history
	@$(BIN)/python -m tests.bench.analytics

models: install ## Fetch the model of the demo and check its hash
	@$(BIN)/python -m services.common.models fetch movenet-multipose

lock: ## Pin the requirements anew
	@scripts/lock.sh

clean: ## Stop the stack, and remove its data and all that was built
	@scripts/clean.sh
