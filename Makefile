# Every target does its own set-up and can be repeated. PYTHON must be 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test setup lint bench clean

demo: setup
	$(BIN)/grader demo

test: setup lint
	$(BIN)/python -m pytest

setup: $(STAMP)
	$(BIN)/grader setup

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m tests.bench.grading

# uv installs the pinned set in seconds; pip, which every Python has, brings uv.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python has no venv module. On Debian/Ubuntu: apt-get install python3-venv"; exit 4; }
	$(BIN)/python -m pip install -q --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install -q --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
