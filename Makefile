# Chores of this repository. Each target makes the virtual environment it needs, from Python >= 3.11, make and pip alone.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak docs screenshots assets lock clean

help:  ## list the chores
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(None if sys.version_info >= (3, 11) else f"ukemi needs Python 3.11 or newer; {sys.executable} is {v}. Name another one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV) (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Third-party scripts for the pages (never committed): fetched by npm at the versions and hashes of assets/package-lock.json.
assets/.built: $(VENV)/.installed assets/package.json assets/package-lock.json assets/build.py
	@$(BIN)/python assets/build.py
	@touch $@

assets: assets/.built  ## fetch and bundle the pages' third-party scripts

demo: $(VENV)/.installed assets/.built  ## collector + WWMAA backend + inbox with live traffic; ARGS=--once to check and exit
	@$(BIN)/python -m demo $(ARGS)

test: $(VENV)/.installed assets/.built  ## all tests; ARGS="-k name" to choose
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile $(ARGS)

lint: $(VENV)/.installed  ## ruff (lint and format) and strict types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.installed assets/.built  ## run the benchmarks; ARGS=name for one
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.installed assets/.built  ## the slow proofs: kills, full disks, hostile input
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile -p no:cacheprovider --hypothesis-profile=new --timeout=1800 tests/unit
	@$(BIN)/python -m pytest -m soak -o addopts="--import-mode=importlib -s" tests/soak $(ARGS)

docs: $(VENV)/.installed  ## build the documentation as a site in build/docs, strictly: a broken link is an error
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky -b dirhtml docs build/docs $(ARGS)
	@echo "build/docs/index.html"

screenshots: $(VENV)/.installed assets/.built  ## take the guide's pictures anew
	@$(BIN)/python -m docs.observability.screenshots

lock:  ## renew the lock files (needs uv)
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --custom-compile-command "make lock" \
	    --extra collector --extra postgres --extra apprise --group dev pyproject.toml -o requirements/dev.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --custom-compile-command "make lock" \
	    --extra collector --extra postgres pyproject.toml -o requirements/collector.txt
	@cd backend && uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
	    --constraint ../requirements/dev.txt requirements.in -o requirements.txt

clean:  ## remove what the chores made
	@rm -rf $(VENV) .demo .chromium assets/.built assets/node_modules dist build
