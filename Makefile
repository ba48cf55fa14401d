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
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed. Name one: make PYTHON=python3.11 ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || $(MAKE) --no-print-directory venv-from-debian
	$(BIN)/python -m pip install -q --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install -q --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Debian and Ubuntu ship Python without its venv module.
.PHONY: venv-from-debian
venv-from-debian:
	@{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { echo "Python cannot make virtual environments here. As an administrator: apt-get install python3-venv"; exit 4; }
	apt-get update -q && apt-get install -y -q --no-install-recommends python3-venv
	$(PYTHON) -m venv --clear $(VENV)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
