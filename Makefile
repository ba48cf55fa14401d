# Every target does its own set-up and can be repeated. PYTHON must be 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo serve test setup lint bench crash lock clean

demo: setup
	$(BIN)/grader demo

# The portal and a worker on this machine, with the demonstration round: http://127.0.0.1:8000
serve: setup assets
	$(BIN)/grader serve --demo

# The tests without containers share the machine's cores, the longest files first; those with containers run one after
# another. The second part runs whatever came of the first, so that one run tells all that is wrong.
SIDE_BY_SIDE := $(addprefix tests/browser/test_,screens.py hostile_text.py hostile_input.py two_origins.py) \
	$(addprefix tests/,crash portal records unit)

test: setup pango postgresql assets chromium html-validate lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(SIDE_BY_SIDE); first=$$?; \
	$(BIN)/python -m pytest $(addprefix --ignore=,$(SIDE_BY_SIDE)) && exit $$first

# Without Pango everything but PDF reports works, so that setting up goes on; the tests need it.
setup: $(STAMP)
	-@$(MAKE) --no-print-directory pango
	$(BIN)/grader setup

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup assets
	$(BIN)/python -m tests.bench.grading
	$(BIN)/python -m tests.bench.receiving
	$(BIN)/python -m tests.bench.scale
	$(BIN)/python -m tests.bench.portal

# Kill what keeps work so often, half on each engine, and look whether anything was lost: make crash N=3000
N ?= 200
crash: $(STAMP)
	$(BIN)/python -m tests.crash.arena --kills $$(($(N) / 2))
	$(BIN)/python -m tests.crash.arena --kills $$(($(N) / 2)) --postgresql

# Run after a change of the dependencies in pyproject.toml; versions that are still allowed stay as they are.
lock: $(STAMP)
	$(BIN)/uv pip compile -q --system-certs --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --extra dev --output-file constraints.txt pyproject.toml

# uv installs the pinned set in seconds; pip, which every Python has, brings uv.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed. Name one: make PYTHON=python3.11 ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || $(MAKE) --no-print-directory venv-from-debian
	sed -n '/^uv==/,/[^\\]$$/p' constraints.txt >$(VENV)/uv.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.txt
	$(BIN)/uv pip install -q --system-certs --python $(BIN)/python --require-hashes --requirement constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Debian and Ubuntu ship Python without its venv module.
.PHONY: venv-from-debian
venv-from-debian:
	@{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { echo "Python cannot make virtual environments here. As an administrator: apt-get install python3-venv"; exit 4; }
	apt-get update -q && apt-get install -y -q --no-install-recommends python3-venv
	$(PYTHON) -m venv --clear $(VENV)

# The libraries that lay out PDF reports; no Python package brings them.
PANGO := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0

.PHONY: pango pango-from-debian
pango: $(STAMP)
	@$(BIN)/python -c 'import ctypes; [ctypes.CDLL(f"lib{name}.so.0") for name in ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")]' 2>/dev/null || $(MAKE) --no-print-directory pango-from-debian

pango-from-debian:
	@{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { echo "PDF reports need Pango. As an administrator: apt-get install $(PANGO)"; exit 4; }
	apt-get update -q && apt-get install -y -q --no-install-recommends $(PANGO)

# The tests of the records run on a PostgreSQL server of their own; they need its programs, and no service.
.PHONY: postgresql
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { echo "The tests need PostgreSQL's programs. As an administrator: apt-get install postgresql"; exit 4; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql; }

# What the pages of the portal need and nobody here wrote: htmx and the fonts, by version and hash.
.PHONY: assets
assets: $(STAMP)
	@test -n "$$GRADER_NPM_REGISTRY_URL" || command -v npm >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { echo "Pages need htmx from a registry of Node packages. Set GRADER_NPM_REGISTRY_URL, or as an administrator: apt-get install npm"; exit 4; }
	@test -n "$$GRADER_NPM_REGISTRY_URL" || command -v npm >/dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends npm; }
	$(BIN)/python -m portal.assets

# The tests of the portal drive a real browser.
CHROMIUM := /usr/bin/chromium

.PHONY: chromium
chromium:
	@test -x $(CHROMIUM) || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { echo "The tests need a browser. As an administrator: apt-get install chromium"; exit 4; }
	@test -x $(CHROMIUM) || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; }

# What says whether pages are valid HTML; exactly what its lock file names.
VALIDATOR := tests/browser/html_validate

.PHONY: html-validate
html-validate: $(VALIDATOR)/node_modules/.package-lock.json

$(VALIDATOR)/node_modules/.package-lock.json: $(VALIDATOR)/package-lock.json
	@command -v npm >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { echo "The tests need npm. As an administrator: apt-get install npm"; exit 4; }
	@command -v npm >/dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends npm; }
	cd $(VALIDATOR) && npm ci --ignore-scripts --no-audit --no-fund $${GRADER_NPM_REGISTRY_URL:+--registry "$$GRADER_NPM_REGISTRY_URL"}
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
