# Every target makes the virtual environment first when it is missing or older than the requirements.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin
CASES ?= ../shared/conformance/cases.yaml
FLOWS_DIR ?= ../shared/conformance/flows
# Tests wait more than they compute: three at a time keep two cores busy.
JOBS ?= 3
# A browser computes: one for each core.
BROWSERS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install install-dev up test lifecycle lint format conformance faults e2e bench flower

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Celestra needs Python 3.11 or later: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# What browsers get, made small and compressed; again when a source of it has changed.
var/static/.installed: $(VENV)/.installed $(shell find static -type f -name '*.[jc]s*')
	@$(RUN)/python -m orchestrator.static_files

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

install: $(VENV)/.installed var/static/.installed ## Install what the product needs
install-dev: $(VENV)/.installed-dev ## Install what tests and checks need, too

up: $(VENV)/.installed var/static/.installed ## Start the whole system here; Ctrl-C stops it
	@$(RUN)/python manage.py up

test: $(VENV)/.installed-dev ## Run all tests (ARGS="-k word")
	@$(RUN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

lifecycle: $(VENV)/.installed-dev ## Start, stop, drain and kill whole installations
	@$(RUN)/python -m pytest tests/system tests/management -m lifecycle -n 2 $(ARGS)

lint: $(VENV)/.installed-dev ## Check style, types, imports between layers, and migrations
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy flows plugins orchestrator manage.py
	$(RUN)/lint-imports
	$(RUN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/.installed-dev ## Put all Python files into shape
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

conformance: $(VENV)/.installed-dev ## Run the conformance corpus on a fresh system (ARGS="--only 'pause-*'")
	@$(RUN)/python tests/conformance/run_system.py --cases $(CASES) --flows-dir $(FLOWS_DIR) $(ARGS)

faults: $(VENV)/.installed-dev ## Kill, freeze and flood parts of a running system
	@$(RUN)/python -m pytest tests/faults -m fault $(ARGS)

e2e: $(VENV)/.installed-dev ## Go through the pages in a real browser (needs the package chromium)
	@command -v chromium >/dev/null || { echo "Install Debian's browser first: apt-get install chromium"; exit 1; }
	@$(RUN)/python -m pytest tests/e2e -m e2e -n $(BROWSERS) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(VENV)/.installed-dev ## Measure, one benchmark after the other (on a machine that does nothing else)
	@set -e; for file in benchmarks/bench_*.py; do $(RUN)/python $$file; done
	@$(RUN)/python -m benchmarks.engine $(ARGS)

flower: $(VENV)/.installed ## Show the Celery workers of the running system on http://127.0.0.1:5555
	@$(RUN)/celery -A orchestrator --quiet flower --address=127.0.0.1 --port=5555
