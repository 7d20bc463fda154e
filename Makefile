# `make help` lists the targets. The packages are installed into .venv, once; PYTHON makes that environment.

PYTHON ?= python3
PORT ?= 8080
AWS_PORT ?= 8081
MODEL ?= tiny
SENTENCE_MODEL_ID ?= all-MiniLM-L6-v2
export PORT AWS_PORT MODEL SENTENCE_MODEL_ID

VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools
# Shows how far pip is. The package isn't installed yet, and the module needs nothing but Python.
INSTALL := PYTHONPATH=cli $(BIN)/python -m pigeonhole_cli.start.install $(VENV)
# -qq: only errors.
PIP_INSTALL := -m pip install -qq --disable-pip-version-check

# Importing torch takes 10 s, so the fast tests do not even collect these. Other tests that need torch have the marker `torch`.
TORCH_TESTS := tests/unit/inference/encoders tests/unit/training tests/unit/benchmarks/test_classify_benchmark.py \
  tests/unit/benchmarks/test_engines_benchmark.py tests/unit/benchmarks/test_gpu_benchmark.py \
  tests/unit/benchmarks/test_peers_benchmark.py

# Looked up without an import, which would take seconds.
NEEDED := hypercorn ministack onnxruntime pigeonhole samtranslator torch transformers typer
ALL_THERE := import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))

# Make a new environment when the Python of the old one is missing.
$(shell test -x $(BIN)/python || rm -f $(VENV)/pyvenv.cfg)

.DEFAULT_GOAL := help
.PHONY: help start test test-unit test-stack lint format documents pictures sam-build clean

help:
	@echo "make start       run Pigeonhole on this machine: PORT=$(PORT) AWS_PORT=$(AWS_PORT) MODEL=$(MODEL)"
	@echo "make test        run every test, or TESTS=path"
	@echo "make test-unit   run the fast tests: no torch, no local stack"
	@echo "make test-stack  run the tests of the deployed template, on a local stack"
	@echo "make lint        run every linter: code, types, imports, prose, template"
	@echo "make format      format the sources and sort their imports"
	@echo "make documents   generate docs/openapi.json and docs/messages.json"
	@echo "make pictures    take the pictures of docs/pictures, and write the README's table of answers"
	@echo "make sam-build   build the layer and the zip functions, without Docker"
	@echo "make clean       delete the local stack's data and the builds; keep the environments and the models"

start: $(VENV)/.for-start
	@$(BIN)/python -c "$(ALL_THERE)" $(NEEDED) \
	  || { echo "error: packages are missing from $(VENV). Install them again: rm -r $(VENV) && make start" >&2; exit 1; }
	@$(BIN)/pigeonhole models prepare "$(MODEL)" > /dev/null
	@$(BIN)/pigeonhole up

test: $(VENV)/.for-test
	@$(BIN)/python -m pytest $(TESTS)

test-unit: $(VENV)/.for-test
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not torch and not slow" $(TORCH_TESTS:%=--ignore=%) tests/unit tests/contract

test-stack: $(VENV)/.for-test
	@$(BIN)/python -m pytest tests/stack

lint: $(TOOLS)/.installed $(TOOLS)/checkov/.installed $(VENV)/.for-test
	$(TOOLS)/bin/ruff check
	$(TOOLS)/bin/ruff format --check
	$(TOOLS)/bin/mypy --python-executable $(BIN)/python
	PYTHONPATH=layers/core:cli $(TOOLS)/bin/lint-imports --no-cache
	$(TOOLS)/bin/python .ci/prose.py
	$(TOOLS)/bin/pymarkdown scan $$(git ls-files '*.md')
	$(TOOLS)/bin/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(TOOLS)/bin/sam validate --lint
	$(TOOLS)/checkov/bin/checkov --config-file .ci/checkov.yaml

format: $(TOOLS)/.installed
	$(TOOLS)/bin/ruff check --fix-only
	$(TOOLS)/bin/ruff format

documents: $(VENV)/.for-start
	$(BIN)/python -m pigeonhole_cli.openapi > docs/openapi.json
	$(BIN)/python -m pigeonhole_cli.schemas > docs/messages.json

pictures: $(VENV)/.for-test
	@$(BIN)/pigeonhole models prepare tiny
	@$(BIN)/python benchmarks/pictures.py

# The part of `sam build` that needs no Docker: the zip functions and the layer, for the Python of .venv.
sam-build: $(TOOLS)/.installed $(VENV)/.for-start
	.ci/sam_build

clean:
	rm -rf .pigeonhole .aws-sam

$(VENV)/.for-start: pyproject.toml $(VENV)/pyvenv.cfg
	@$(INSTALL) --editable ".[onnx,torch,local]" \
	  || { echo "error: installing failed, see above. Is the package registry reachable?" >&2; exit 1; }
	@touch $@

$(VENV)/.for-test: pyproject.toml $(VENV)/.for-start
	@$(INSTALL) --editable ".[onnx,torch,local,training,test,types]" \
	  || { echo "error: installing failed, see above. Is the package registry reachable?" >&2; exit 1; }
	@touch $@

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "error: $(PYTHON) is not Python 3.11 or later. Name a later one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "error: $(PYTHON) can't make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(TOOLS)/.installed: .ci/tools.txt $(VENV)/pyvenv.cfg
	@echo "Installing the linters into $(TOOLS), once ..."
	@$(BIN)/python -m venv $(TOOLS)
	@$(TOOLS)/bin/python $(PIP_INSTALL) --requirement .ci/tools.txt
	@touch $@

$(TOOLS)/checkov/.installed: .ci/checkov.txt $(VENV)/pyvenv.cfg
	@echo "Installing checkov into $(TOOLS)/checkov, once ..."
	@$(BIN)/python -m venv $(TOOLS)/checkov
	@$(TOOLS)/checkov/bin/python $(PIP_INSTALL) --requirement .ci/checkov.txt
	@touch $@
