# make start   the whole system on this machine          make test   every test
# What is installed once, in .venv; PYTHON is asked for it the first time only.

PYTHON ?= python3
PORT ?= 8080
AWS_PORT ?= 8081
MODEL ?= tiny
export PORT AWS_PORT MODEL

VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools
# its chatter says nothing; its errors are shown
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

# Found without importing them, which takes no time.
NEEDED := hypercorn ministack onnxruntime pigeonhole samtranslator torch transformers typer
ALL_THERE := import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))

# An environment whose Python has gone is made anew.
$(shell test -x $(BIN)/python || rm -f $(VENV)/pyvenv.cfg)

.DEFAULT_GOAL := help
.PHONY: help start test lint format documents sam-build clean

help:
	@echo "make start    run Pigeonhole here: PORT=$(PORT) AWS_PORT=$(AWS_PORT) MODEL=$(MODEL)"
	@echo "make test     run every test"
	@echo "make lint     ruff, mypy, cfn-lint, sam validate"
	@echo "make format   rewrite the sources as ruff wants them"
	@echo "make documents  write docs/openapi.json and docs/messages.json anew"
	@echo "make clean    forget the local stack's data; the environments and the models stay"

start: $(VENV)/.for-start
	@$(BIN)/python -c "$(ALL_THERE)" $(NEEDED) \
	  || { echo "error: packages are missing from $(VENV). Install them anew: rm -r $(VENV) && make start" >&2; exit 1; }
	@$(BIN)/pigeonhole models prepare "$(MODEL)"
	@$(BIN)/pigeonhole up

test: $(VENV)/.for-test
	@$(BIN)/python -m pytest $(TESTS)

lint: $(TOOLS)/.installed $(VENV)/.for-test
	$(TOOLS)/bin/ruff check
	$(TOOLS)/bin/ruff format --check
	$(TOOLS)/bin/mypy --python-executable $(BIN)/python
	PYTHONPATH=layers/core:cli $(TOOLS)/bin/lint-imports --no-cache
	$(TOOLS)/bin/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(TOOLS)/bin/sam validate --lint

format: $(TOOLS)/.installed
	$(TOOLS)/bin/ruff check --fix-only
	$(TOOLS)/bin/ruff format

documents: $(VENV)/.for-start
	$(BIN)/python -m pigeonhole_cli.openapi > docs/openapi.json
	$(BIN)/python -m pigeonhole_cli.schemas > docs/messages.json

# What runs without Docker of `sam build`: the zip function with its layer, for the Python of .venv.
sam-build: $(TOOLS)/.installed $(VENV)/.for-start
	.ci/sam_build

clean:
	rm -rf .pigeonhole .aws-sam

$(VENV)/.for-start: pyproject.toml $(VENV)/pyvenv.cfg
	@echo "Installing into $(VENV), once ..."
	@$(BIN)/python $(PIP_INSTALL) --editable ".[onnx,torch,local]" \
	  || { echo "error: installing failed, see above. Is the package registry reachable?" >&2; exit 1; }
	@touch $@

$(VENV)/.for-test: pyproject.toml $(VENV)/.for-start
	@echo "Installing what the tests need, once ..."
	@$(BIN)/python $(PIP_INSTALL) --editable ".[onnx,torch,local,training,test,types]" \
	  || { echo "error: installing failed, see above. Is the package registry reachable?" >&2; exit 1; }
	@touch $@

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "error: $(PYTHON) is not Python 3.11 or later. Name one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "error: $(PYTHON) can't make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(TOOLS)/.installed: .ci/tools.txt $(VENV)/pyvenv.cfg
	@echo "Installing the linters into $(TOOLS), once ..."
	@$(BIN)/python -m venv $(TOOLS)
	@$(TOOLS)/bin/python $(PIP_INSTALL) --requirement .ci/tools.txt
	@touch $@
