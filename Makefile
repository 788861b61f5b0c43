# The two commands of the README are `make run` and `make test`. Each installs what it needs into
# this folder (.venv, .tools); only a missing system package needs a right to install it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
UV := .ci/uv
PYTHON := .venv/bin/python
ARGS ?=
# Half of the suite's time is waiting for processes and their time limits: two tests more than there
# are cores keep those busy.
TESTS_AT_ONCE ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 2 )))
PROJECTS := pyproject.toml dashboard/pyproject.toml $(wildcard plugins/*/pyproject.toml)

.PHONY: help run test test-n8n install tools pages wheels lint typecheck check docs bench bench-tools bench-mcp soak lock clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: .venv/run ## Serve the hub with the demo provider, beside whatever real ones are found
	@.ci/pages || true
	@exec .venv/bin/llm-mcp-hub serve --demo --data-dir .data $(ARGS)

test: .venv/dev tools pages lint typecheck ## Install what the tests need and run everything
	$(PYTHON) -m pytest -n $(TESTS_AT_ONCE) --dist worksteal $(ARGS)

test-n8n: .venv/dev tools ## Have a real n8n run the workflows of examples/n8n; installs 2.4 GB
	@.ci/n8n/install
	$(PYTHON) -m pytest -m n8n tests/clients $(ARGS)

check: .venv/dev ## Run the tests without checking the tools, for a quick turn: make check ARGS="tests/api"
	$(PYTHON) -m pytest $(ARGS)

install: .venv/dev ## Create the development environment

tools: ## Install the programs the tests drive: a Redis server, the vendors' tools, MCP's judges, clients
	@.ci/tools

pages: .venv/dev ## Build the dashboard's pages, if their sources have changed
	@.ci/pages

wheels: pages ## Build the wheels of the hub, its plugins and its dashboard into dist/
	$(UV) build --quiet --all-packages

lint: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

typecheck: .venv/dev
	.venv/bin/mypy

docs: ## Build the documentation into site/
	$(UV) run --no-project --isolated --with-requirements requirements/docs.txt mkdocs build --strict

bench: .venv/dev ## Measure what the hub adds to a request
	$(PYTHON) benchmarks/overhead.py $(ARGS)

bench-tools: .venv/dev tools ## Measure what a resumed tool call saves, with the vendors' real tools
	$(PYTHON) benchmarks/tools.py $(ARGS)

bench-mcp: .venv/dev ## Measure what the hub adds to an MCP tool call
	$(PYTHON) benchmarks/mcp.py $(ARGS)

soak: .venv/dev ## See for a quarter of an hour whether the hub grows: make soak ARGS="--minutes 3"
	$(PYTHON) benchmarks/soak.py $(ARGS)

lock: ## Pin every dependency with its hashes
	.ci/lock

clean: ## Remove everything that was installed or built here
	rm -rf .venv .tools build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/run: requirements/run.txt $(PROJECTS)
	@.ci/install run

.venv/dev: requirements/dev.txt $(PROJECTS)
	@.ci/install dev
