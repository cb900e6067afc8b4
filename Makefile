# Needs Python 3.11 to 3.13 and nothing else. `make help` lists the targets.

PYTHON ?= python3
RUN := .venv/bin/python -m
PIP := $(RUN) pip --disable-pip-version-check --no-input
ARGS ?=

.PHONY: help run packages install migrate test drills bench screenshots translations lint types audit lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile

run: install migrate ## start everything; Ctrl-C stops it
	@$(RUN) tasks.foreman

packages: .venv/packages

install: .venv/installed

migrate: install ## migrate the database to the current schema
	@$(RUN) mailing.migrate

test: .venv/installed-dev ## run all tests, or: make test ARGS=tests/unit
	@$(RUN) pytest -n auto --dist loadscope $(ARGS)

drills: .venv/installed-dev ## break things while 5,000 emails are sent, as a table; judge each page in each view
	@$(RUN) pytest -q -p no:randomly --long tests/drills tests/browser/test_access.py $(ARGS)

bench: .venv/installed-dev ## measure speed and memory, as a table
	@$(RUN) benchmarks $(ARGS)

screenshots: .venv/installed-dev ## take the pictures of the README again
	@$(RUN) tests.browser.screenshots $(ARGS)

translations: .venv/installed-dev ## update the Vietnamese texts from the code
	@$(RUN) webapp.i18n

lint: .venv/installed-dev ## check style and format
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: .venv/installed-dev ## check types
	@$(RUN) mypy

audit: .venv/installed-dev ## check the pinned packages for known vulnerabilities
	@$(RUN) tests.support.audit

lock: .venv/bin/python ## pin the packages again; newest versions: make lock ARGS=--upgrade
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(RUN) venv "$$tools"; "$$tools/bin/pip" install --quiet uv; \
	pin() { "$$tools/bin/uv" pip compile --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate $(ARGS) pyproject.toml "$$@" >/dev/null; }; \
	pin -o requirements.lock; \
	pin -o requirements-dev.lock --extra dev -c requirements.lock

clean: ## remove the virtual environment and all caches, but no data
	@rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Volley needs Python 3.11, 3.12 or 3.13. Name one: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/packages: requirements.lock | .venv/bin/python
	@echo "Installing the pinned packages into .venv. The first time takes a minute."
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@touch $@

.venv/installed: .venv/packages pyproject.toml
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
