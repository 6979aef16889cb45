# The one door: `make` lists what it opens. Needs Python >= 3.11 and make, nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
MEMBERS := libs/contracts libs/bus libs/runtime libs/filters \
           services/uw-ingest services/ws-gateway services/alert-bridge \
           tools/uw-simulator tools/discord-simulator tools/baleen-cli
IMAGES := uw-ingest ws-gateway alert-bridge uw-simulator
INSTALLED := $(VENV)/.installed

# uv resolves, pip installs: only `make lock` needs uv, and fetches it for itself.
UV := .baleen/uv/bin/uv
EXPORT = $(UV) export --quiet --frozen --no-emit-workspace --no-header

# The first interpreter that is new enough; PYTHON=/path/to/python3 overrules it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

.PHONY: help up test smoke drill lint fmt bench lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

up: $(INSTALLED) ## run everything on this machine; the page is http://localhost:8000/ (ARGS="--help" tells more)
	@exec $(BIN)/baleen up --leave-with $$PPID $(ARGS)

test: $(INSTALLED) ## run the tests (ARGS="libs/bus -k follower" narrows them)
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

smoke: $(INSTALLED) ## start everything on free ports and see data reach a WebSocket client
	@exec $(BIN)/baleen smoke $(ARGS)

drill: $(INSTALLED) ## break whole platforms and see the alerts fire, in some 15 minutes (ARGS="-m quick" for a few)
	@exec $(BIN)/python -m pytest tests/drills -m drill -n 2 --dist worksteal $(ARGS)

lint: $(INSTALLED) ## style, types and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(addsuffix /src,$(MEMBERS)) observability deploy
	$(BIN)/python -m baleen_contracts check
	$(BIN)/python -m deploy.environment check

fmt: $(INSTALLED) ## let ruff put the style right
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## measure the fan-out and the ingest (ARGS="--small" to see that it works)
	@exec $(BIN)/python bench/run.py $(ARGS)

lock: ## resolve the dependencies anew and write every *.lock
	@test -x $(UV) || { $(PYTHON) -m venv $(dir $(UV)).. && $(dir $(UV))pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'; }
	$(UV) lock --quiet
	$(EXPORT) --all-packages -o requirements.lock
	@for service in $(IMAGES); do $(EXPORT) --no-dev --package $$service -o deploy/requirements/$$service.lock || exit 1; done
	echo hatchling | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --constraint requirements.lock -o deploy/requirements/build.lock -
	@for wanted in tests/clients/*.in; do $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -o $${wanted%.in}.lock $$wanted || exit 1; done

clean: ## remove state, caches and logs (the .venv stays)
	rm -rf .baleen .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find libs services tools tests bench deploy -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: .venv
.venv: $(INSTALLED)

# One stamp: a second call is instant, and a changed lock or pyproject installs again.
$(INSTALLED): requirements.lock $(addsuffix /pyproject.toml,$(MEMBERS))
	@test -n "$(PYTHON)" || { echo "Baleen needs Python 3.11 or newer, and found none on the PATH." >&2; \
	  echo "Install one, or say where it is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "This Python cannot make a virtual environment: install its venv package (Debian: python3-venv)." >&2; exit 1; }
	@echo "Installing the pinned dependencies into $(VENV) (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  $(addprefix -e ,$(MEMBERS))
	@touch $@
