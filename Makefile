# One verb each; CI runs the same ones. `make demo` and `make test` install what they need into .venv first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
LOCAL_INSTALLED := .venv/ministack/installed
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
PIP := -m pip --disable-pip-version-check install --quiet --no-input

.PHONY: demo test check synth e2e lock bench import-log openapi clean python

demo: $(INSTALLED) $(LOCAL_INSTALLED)  ## deploy the template locally and run the main job; FRESH=1 starts empty
	@$(BIN)/python -m infra.local $(if $(filter 1,$(FRESH)),--fresh)

test: $(INSTALLED)  ## everything that needs no running stack
	@$(BIN)/python -m pytest -q $(ARGS)

check: $(INSTALLED)  ## lint, types, import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

synth: $(INSTALLED)  ## the template, into cdk.out
	@$(BIN)/python -m infra.app

e2e: $(INSTALLED) $(LOCAL_INSTALLED)  ## the deployed stack, over HTTP and in a browser
	@$(BIN)/python -m pytest -q tests/e2e $(ARGS)

bench: $(INSTALLED) $(LOCAL_INSTALLED)  ## the promised counts and ratios, into docs/benchmarks.md
	@$(BIN)/python -m tests.bench

openapi: $(INSTALLED)  ## docs/openapi.json, generated from the routers
	@$(BIN)/python -m console.openapi

import-log: $(INSTALLED)  ## LOG=file.csv.gz: a real event history into the running demo
	@$(BIN)/leadtrail import "$(LOG)" --mapping docs/examples/bpic2012.toml

lock: $(INSTALLED)  ## new versions, with hashes and without registry addresses
	@$(BIN)/python -m console.lock

clean:
	rm -rf .venv .local cdk.out build

python:
	@command -v $(PYTHON) >/dev/null || { echo "缺少 python3:请安装 Python 3.11 或更高版本 (python3 is missing: install Python 3.11 or later)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 版本过低:需要 3.11 或更高 (Python 3.11 or later is needed; PYTHON=python3.12 make ... picks another)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "缺少 venv 模块:Debian/Ubuntu 请安装 python3-venv (python3 lacks venv: on Debian or Ubuntu install python3-venv)"; exit 1; }

$(INSTALLED): pyproject.toml requirements/dev.lock | python
	@echo "installing into .venv (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP) --require-hashes -r requirements/dev.lock
	@$(BIN)/python $(PIP) --no-deps --no-build-isolation -e .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null || true
	@touch $@

$(LOCAL_INSTALLED): requirements/local.lock $(INSTALLED)
	@test -x .venv/ministack/bin/python || $(BIN)/python -m venv .venv/ministack
	@.venv/ministack/bin/python $(PIP) --require-hashes -r requirements/local.lock
	@PYTHONDONTWRITEBYTECODE= .venv/ministack/bin/python -m compileall -q -j 0 .venv/ministack/lib >/dev/null || true
	@touch $@
