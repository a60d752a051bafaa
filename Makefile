# Ketbase. Every target brings what it needs; a fresh machine needs only python3 (3.9 or newer) and make.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

UV_VERSION := 0.13.8
UV := .uv/bin/uv
export SAM_CLI_TELEMETRY := 0
# Bytecode that is kept makes every start after the first one several times faster.
unexport PYTHONDONTWRITEBYTECODE


PORT ?= 8000
DATA ?= .data
WORKERS ?= 2

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# --- Environments ---

$(UV): Makefile
	@echo "→ uv $(UV_VERSION)"
	@python3 -m venv .uv || { echo "python3 has no venv module: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@touch $@

.venv/.synced: $(UV) pyproject.toml uv.lock
	@echo "→ .venv (Ketbase, the simulators, the test tools)"
	@$(UV) sync --frozen --all-extras
	@touch $@

.venv-sam/.synced: $(UV) requirements-sam.txt
	@echo "→ .venv-sam (the SAM CLI)"
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-sam
	@$(UV) pip sync --quiet --python .venv-sam/bin/python requirements-sam.txt
	@touch $@

.PHONY: install
install: .venv/.synced ## Make the environment

.PHONY: up
up: .venv/.synced ## Start the whole backend on this machine
	@.venv/bin/ketbase up --port $(PORT) --data $(DATA) --workers $(WORKERS)

# --- Build and deploy ---

STAGE ?= dev

.PHONY: build
build: .venv/.synced .venv-sam/.synced ## Build what is deployed
	@.venv/bin/python scripts/build.py all

.PHONY: deploy
deploy: build ## Deploy to AWS: make deploy STAGE=dev|staging|prod (needs Docker and credentials)
	@docker info >/dev/null 2>&1 || { echo "make deploy needs a Docker engine, for the image functions"; exit 1; }
	@.venv-sam/bin/sam deploy --config-env $(STAGE)
	@.venv/bin/python scripts/second_lane.py ketbase-$(STAGE)

.PHONY: lock
lock: $(UV) ## Pin the newest versions of everything
	@$(UV) lock --upgrade
	@printf '%s\n' "# The SAM CLI. It pins much of what Ketbase uses, so it has an environment of its own. Made by make lock." \
		> requirements-sam.txt
	@echo "aws-sam-cli" | $(UV) pip compile --quiet --python-version 3.13 --no-header --no-annotate - >> requirements-sam.txt

# --- Checks ---

.PHONY: check-infra
check-infra: .venv/.synced .venv-sam/.synced
	@.venv-sam/bin/sam validate --lint --template template.yaml >/dev/null || .venv-sam/bin/sam validate --lint
	@.venv/bin/statelint infra/statemachines/*.asl.json

.PHONY: check
check: .venv/.synced check-infra ## Lint, types, import contracts, template, state machines
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

# --- Tests ---

.PHONY: test
test: check build ## Run everything that the continuous integration runs
	@.venv/bin/pytest tests/unit tests/contract -n 2 --dist loadfile --durations=20
	@.venv/bin/pytest tests/architecture tests/functions -n 2
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-cloud test-stack

CLOUD = $(sort $(wildcard tests/e2e/test_cloud*.py))

.PHONY: test-cloud
test-cloud: # One after the other: the last file looks back at what the others called.
	@.venv/bin/pytest $(CLOUD) --durations=6

.PHONY: test-stack
test-stack:
	@.venv/bin/pytest tests/e2e $(CLOUD:%=--ignore=%) --durations=12

.PHONY: verify-01
verify-01: .venv/.synced ## Prove the foundation at length: many kills
	@.venv/bin/pytest tests/e2e -m verify_01

.PHONY: verify-02
verify-02: .venv/.synced ## Prove accounts and money at length: many kills, 20,000 operations of two tenants
	@.venv/bin/pytest tests/contract/test_budget_races.py tests/e2e/test_budget.py tests/e2e/test_tenants.py -m verify_02

.PHONY: verify-04
verify-04: .venv/.synced ## Prove runs at providers, trainings and exports at length: 200 jobs through faults, ten kills
	@.venv/bin/pytest tests/e2e/test_ionq.py tests/e2e/test_training.py tests/unit/quantum/inference -m verify_04

.PHONY: bench
bench: .venv/.synced ## Measure time added to a simulation, and requests per second
	@PYTHONPATH=. .venv/bin/python benchmarks/foundation.py

.PHONY: bench-choice
bench-choice: .venv/.synced ## Measure whether `auto` chooses a good backend
	@PYTHONPATH=. .venv/bin/python benchmarks/choice.py

.PHONY: bench-simulators
bench-simulators: .venv/.synced ## Measure the ideal simulators beside each other
	@PYTHONPATH=. .venv/bin/python benchmarks/simulators.py

.PHONY: bench-mitigation
bench-mitigation: .venv/.synced ## Measure how much nearer to the exact values mitigation comes
	@PYTHONPATH=. .venv/bin/python benchmarks/mitigation.py

.PHONY: bench-optimize
bench-optimize: .venv/.synced ## Measure optimised circuits beside Qiskit's and pytket's
	@PYTHONPATH=. .venv/bin/python benchmarks/optimize.py

.PHONY: bench-success
bench-success: .venv/.synced ## Measure how good the estimated success of a circuit is
	@PYTHONPATH=. .venv/bin/python benchmarks/success.py

.PHONY: bench-predict
bench-predict: .venv/.synced ## Measure predictions in the function
	@PYTHONPATH=. .venv/bin/python benchmarks/predict.py

.PHONY: bench-training
bench-training: .venv/.synced ## Measure a training step beside PennyLane's, TensorCircuit's and Qiskit's
	@$(UV) sync --quiet --frozen --all-extras --group peers
	@PYTHONPATH=. .venv/bin/python benchmarks/training.py

.PHONY: openapi
openapi: .venv/.synced ## Write the OpenAPI document from the routes
	@.venv/bin/python -m ketbase.local.openapi
