# SpotOn. `make` lists the targets; the work is done in scripts/.
# PYTHON names the Python to make the virtual environments with, 3.11 or newer.
export PYTHON ?= python3
# TORCH_PIP_ARGS goes to pip where it installs torch, such as the address of an index
# with CPU builds; it is empty by default, and pip takes what its configuration names.
export TORCH_PIP_ARGS ?=
BIN := .venv/bin
EVAL_ARGS = $(foreach one,ONLY MODES SEEDS SECONDS FLOOR TRACKER OUTPUT COMPARE,$(if $($(one)),--$(shell echo $(one) | tr A-Z a-z) $($(one)))) $(if $(FAST),--fast)
STARTED := $(shell date +%s.%N)

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-test install-generator demo run test test-attacks test-timescale check protos permissions metrics dashboards observability dashboards-check bench eval eval-models models images manifests fit lock clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12

install: ## Install into .venv what is run; VARIANT="gpu torch boxmot" chooses and adds
	@scripts/install.sh $(VARIANT)

install-dev:
	@scripts/install.sh dev

install-test:
	@scripts/install.sh dev torch boxmot

install-generator:
	@scripts/install-generator.sh

demo: install ## Track people on real video, then stay up; ONCE=1 exits, ONLY=studio runs one environment, NO_FLOOR=1 switches the floor off
	@$(BIN)/python -m demo $(if $(ONCE),--once) $(if $(NO_FLOOR),--no-floor) $(if $(ONLY),--only $(ONLY)) --started $(STARTED)

run: install ## Run stores and services until Ctrl-C
	@$(BIN)/python -m stack up

test: install-test ## Run all tests; ARGS="-k name" goes to pytest
	@scripts/test.sh $(ARGS)

test-attacks: install-dev ## Run the attacks, which are part of `make test` too; each must be refused
	@$(BIN)/python -m pytest tests/attacks $(ARGS)

test-timescale: install-dev ## Run the tests of history on a TimescaleDB: DSN=postgresql://…
	@: $${DSN:?names a TimescaleDB whose user may make databases}
	@SPOTON_TEST_TIMESCALE_DSN="$$DSN" $(BIN)/python -m pytest tests/integration/analytics $(ARGS)

check: install-dev install-generator ## Check format, lint, types, imports, protos and manifests
	@scripts/check.sh

protos: install-generator ## Generate the code beside the protos
	@scripts/protos.sh .venv-protos/bin

permissions: install-dev ## Write the tables of docs/permissions.md from the protos
	@$(BIN)/python -m scripts.permissions

metrics: install-dev ## Write the table of docs/metrics.md from the code
	@$(BIN)/python -m scripts.metrics

dashboards: install-dev ## Write the Grafana dashboards and the PrometheusRule
	@$(BIN)/python -m scripts.dashboards

observability: install-dev ## Check dashboards and alert rules, and test the rules with promtool
	@scripts/observability.sh

dashboards-check: install ## Run the demo under a Prometheus, and every query of the dashboards against it
	@$(BIN)/python -m scripts.dashboards_check

bench: install-test ## Measure mesh, trackers, history, analytics, identities, gateway and live viewers; writes build/bench*.json
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.history
	@$(BIN)/python -m tests.bench.analytics
	@$(BIN)/python -m tests.bench.identities
	@$(BIN)/python -m tests.bench.gateway
	@$(BIN)/python -m tests.bench.guard
	@$(BIN)/python -m tests.bench.live

eval-models: install-test ## Measure every model and tracker that can run here; writes docs/models.md
	@$(BIN)/python -m tests.accuracy $(ONLY)

eval: install-test ## Measure who is who across cameras: DATA=folder, ONLY=plaza, MODES=both, SEEDS=0, FAST=1, COMPARE=a.json,b.json, SCENES=1 for scripted scenes
	@$(BIN)/python -m $(if $(SCENES),tests.accuracy.scenes,tests.accuracy.identity $(DATA)) $(EVAL_ARGS)

models: install ## List the models; FETCH="a b" fetches, VERIFY=1 checks all files that are here
	@$(BIN)/python -m services.common.models $(if $(FETCH),fetch $(FETCH),$(if $(VERIFY),verify,list))

fit: install ## Learn what scores are worth at a site: ENVIRONMENT=plaza, MODEL names an embedder; draws build/fit-*.svg
	@: $${ENVIRONMENT:?names the site}
	@$(BIN)/python -m services.reid.fit --environment "$$ENVIRONMENT" --model "$$MODEL" --picture "build/fit-$$ENVIRONMENT.svg" $(ARGS)

images: ## Build an image of each service without a daemon, and print its size: ONLY="detector-gpu reid", BASE=image, TAG=dev
	@scripts/images.sh $(ONLY)

manifests: install-dev ## Render every overlay of Kubernetes manifests and check it
	@scripts/manifests.sh

lock: ## Pin the requirements anew
	@scripts/lock.sh

clean: ## Stop the stack, and remove its data and all that was built
	@scripts/clean.sh
