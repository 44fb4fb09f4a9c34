# The two commands to know: `make demo` shows what it does, `make test` proves it.
# Each builds .venv on first need. ARGS is passed on: make test ARGS="-k ratings"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo example test storm cluster lint format types generated bench mutation migration refresh manifest client docs site wheel clean

# compiled modules are kept, those that are used: the tests start many processes
unexport PYTHONDONTWRITEBYTECODE

NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
  if $$name $(NEW_ENOUGH); then echo $$name; break; fi; done)
BIN := .venv/bin
STAMP := .venv/installed
ARGS ?=

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: $(STAMP)  ## dirty legacy data in, the rules on, a search of real conferences
	@$(BIN)/oeventdb demo $(ARGS)

example: $(STAMP)  ## a small ticket shop in Flask, to be opened in a browser; Ctrl-C stops it
	@$(BIN)/python -m examples.shop $(ARGS)

test: $(STAMP)  ## run the tests on a real PostgreSQL and a real Elasticsearch
	@$(BIN)/pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder $(ARGS)

storm: $(STAMP)  ## a minute of sales, one of sync and 20 rebuilds, with servers killed; a kill at every step of migrations; 200 histories
	@OEVENTDB_STORM_SECONDS=60 OEVENTDB_EVERY_KILL=1 OEVENTDB_HISTORIES=200 OEVENTDB_SEEDS=20 $(BIN)/pytest \
	  tests/storm tests/search/test_storm.py tests/search/test_uninterrupted.py tests/migrations/test_runner_kill.py \
	  tests/procedures/selling/test_histories.py tests/procedures/selling/test_statements.py $(ARGS)

cluster: $(STAMP)  ## three Elasticsearch nodes, one killed during reindex and sync (3 GB of memory)
	@$(BIN)/pytest tests/search/cluster.py $(ARGS)

lint: $(STAMP)  ## style of the Python code; style, locks and safety of the SQL
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m tools.lint_sql

format: $(STAMP)  ## put the Python code into that style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(STAMP)  ## mypy --strict, and pyright on what applications import
	@$(BIN)/mypy
	@$(BIN)/basedpyright

generated: $(STAMP)  ## fail where something generated or frozen is out of date
	@$(BIN)/python -m tools.freeze --check
	@$(BIN)/python -m tools.manifest --check
	@$(BIN)/python -m tools.generate_client --check
	@$(BIN)/python -m tools.generate_docs --check

bench: $(STAMP)  ## measure against the rivals, in the same run
	@$(BIN)/python -m bench $(ARGS)

mutation: $(STAMP)  ## drop each guard in turn; a test must notice
	@$(BIN)/python -m tools.mutation $(ARGS)

migration: $(STAMP)  ## begin the next migration: make migration name=what-it-does
	@test -n "$(name)" || { echo "usage: make migration name=what-it-does" >&2; exit 2; }
	@$(BIN)/python -m tools.freeze new $(name)

refresh: $(STAMP)  ## copy changed functions again into migrations that are not released yet
	@$(BIN)/python -m tools.freeze --refresh

manifest: $(STAMP)  ## write db/manifest.json, what a migrated database looks like
	@$(BIN)/python -m tools.manifest

client: $(STAMP)  ## generate the Python client from the catalog
	@$(BIN)/python -m tools.generate_client

docs: $(STAMP)  ## generate the reference pages
	@$(BIN)/python -m tools.generate_docs

site: $(STAMP)  ## build the documentation into site/; a warning is an error
	@$(BIN)/zensical build --clean --strict

wheel: $(STAMP)  ## build the wheel and the source archive into dist/
	@$(BIN)/python -m build --outdir dist .

clean:  ## delete what these commands made
	@rm -rf .venv .cache build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml Makefile
	@test -n "$(PYTHON)" && "$(PYTHON)" $(NEW_ENOUGH) || { \
	  echo "Python 3.11 or newer is needed: install it, or say where it is with PYTHON=..." >&2; exit 1; }
	@echo "building .venv (on first use and when pyproject.toml changes)" >&2
	@"$(PYTHON)" -m venv .venv || { \
	  echo "python -m venv failed: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev,docs]'
	@touch $(STAMP)
