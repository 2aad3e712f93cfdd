# Every target does its own set-up from a bare clone. Needed: make, and Python 3.11 or newer
# with venv (choose it with `make demo PYTHON=python3.12`).

PYTHON ?= python3
ARGS ?=
# A file stays in one process, for its fixtures are dear. Four, because some tests mostly wait.
SPREAD ?= -n 4 --dist loadfile --no-loadscope-reorder
BENCH ?= $(basename $(notdir $(wildcard benchmarks/*.py)))
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq

.DEFAULT_GOAL := help
.PHONY: help setup demo up test lint bench

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Install everything into .venv

# torch goes first: with it in place, nothing that follows can choose another build of it.
$(INSTALLED): requirements.lock requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "No virtual environment could be made. On Debian: apt-get install python3-venv" >&2; \
	  rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV); the first time this takes some minutes."
	@$(PIP) "$$(grep '^torch==' requirements.lock)" "$$(grep '^setuptools==' requirements.lock)"
	@$(PIP) -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED) ## Run the small experiment and open the dashboard (ARGS=--exit to stop at its end)
	@$(BIN)/efsnas demo $(ARGS)

up: $(INSTALLED) ## Serve the dashboard, the API and one worker from ./var
	@$(BIN)/efsnas up $(ARGS)

# The tests start a hundred processes of ours: what one has compiled, the next ones read.
test: export PYTHONDONTWRITEBYTECODE =
test: $(INSTALLED) ## Run the tests (ARGS="tests/nas -k partition" for some of them)
	@$(BIN)/python -m pytest $(SPREAD) $(ARGS)

lint: $(INSTALLED) ## Check style, types, import direction, migrations, compose file and scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@for script in .ci/run scripts/*.sh; do bash -n $$script || exit 1; done
	scripts/check_migrations.sh $(BIN)/alembic

bench: $(INSTALLED) ## Repeat measured claims (BENCH="first_experiment" for some of them)
	@set -e; for name in $(BENCH); do \
	  echo "== benchmarks/$$name.py"; $(BIN)/python benchmarks/$$name.py $(ARGS); done
