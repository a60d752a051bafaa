# Ketbase. Every target brings what it needs; a fresh machine needs only python3 (3.9 or newer) and make.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

UV_VERSION := 0.13.8
UV := .uv/bin/uv
export SAM_CLI_TELEMETRY := 0


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

.PHONY: install
install: .venv/.synced ## Make the environment

.PHONY: up
up: .venv/.synced ## Start the whole backend on this machine
	@.venv/bin/ketbase up --port $(PORT) --data $(DATA) --workers $(WORKERS)
