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

# Three parts, each of which runs whatever came of the one before, so that one run tells all that is wrong: what needs no
# container, what does, side by side and the longest first; and alone what kills the drivers of gradings or wants every
# core. A new file belongs to the last until it is named here.
PYTEST := $(BIN)/python -m pytest
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder
WITHOUT_CONTAINERS := $(addprefix tests/browser/test_,screens.py hostile_text.py hostile_input.py two_origins.py) \
	$(addprefix tests/,crash portal records unit)
WITH_CONTAINERS := $(addprefix tests/,acceptance/test_samples.py adversarial/test_hostile_answers.py \
	browser/test_journeys.py acceptance/test_bad_input.py adversarial \
	$(addprefix integration/test_,agency_databases.py agency_doors.py agency_http.py build.py build_runtimes.py drivers.py isolation.py))

test: setup pango poppler postgresql assets chromium html-validate lint
	$(PYTEST) -n 2 $(SIDE_BY_SIDE) $(WITHOUT_CONTAINERS); first=$$?; \
	$(PYTEST) -n 3 $(SIDE_BY_SIDE) $(WITH_CONTAINERS); second=$$?; \
	$(PYTEST) $(addprefix --ignore=,$(WITHOUT_CONTAINERS) $(WITH_CONTAINERS)) && exit $$((first + second))

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

# What no Python package brings comes from Debian or Ubuntu: $(call debian,<whether it is there>,<what needs it>,<packages>)
define debian
@{ $(1); } >/dev/null 2>&1 || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { echo "$(2). As an administrator: apt-get install $(3)"; exit 4; }
@{ $(1); } >/dev/null 2>&1 || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(3); }
endef

# Debian and Ubuntu ship Python without its venv module.
.PHONY: venv-from-debian
venv-from-debian:
	$(call debian,$(PYTHON) -c 'import ensurepip',Python cannot make virtual environments here,python3-venv)
	$(PYTHON) -m venv --clear $(VENV)

# The libraries that lay out PDF reports; no Python package brings them.
PANGO := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
HAS_PANGO := import ctypes; [ctypes.CDLL(f"lib{name}.so.0") for name in ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")]

.PHONY: pango
pango: $(STAMP)
	$(call debian,$(BIN)/python -c '$(HAS_PANGO)',PDF reports need Pango,$(PANGO))

# The tests look at PDF reports as they are printed.
.PHONY: poppler
poppler:
	$(call debian,command -v pdftoppm,The tests need Poppler,poppler-utils)

# The tests of the records run on a PostgreSQL server of their own; they need its programs, and no service.
.PHONY: postgresql
postgresql:
	$(call debian,ls /usr/lib/postgresql/*/bin/initdb,The tests need the programs of PostgreSQL,postgresql)

# What the pages of the portal need and nobody here wrote: htmx and the fonts, by version and hash.
.PHONY: assets
assets: $(STAMP)
	$(call debian,test -n "$$GRADER_NPM_REGISTRY_URL" || command -v npm,Pages need htmx from a registry of Node packages. Set GRADER_NPM_REGISTRY_URL or install npm,npm)
	$(BIN)/python -m portal.assets

# The tests of the portal drive a real browser: journeys as people have it, all else without the windows around it,
# which takes half the time.
.PHONY: chromium
chromium:
	$(call debian,command -v chromium && command -v chromium-headless-shell,The tests need a browser,chromium chromium-headless-shell)

# What says whether pages are valid HTML; exactly what its lock file names.
VALIDATOR := tests/browser/html_validate

.PHONY: html-validate
html-validate: $(VALIDATOR)/node_modules/.package-lock.json

$(VALIDATOR)/node_modules/.package-lock.json: $(VALIDATOR)/package-lock.json
	$(call debian,command -v npm,The tests need npm,npm)
	cd $(VALIDATOR) && npm ci --ignore-scripts --no-audit --no-fund $${GRADER_NPM_REGISTRY_URL:+--registry "$$GRADER_NPM_REGISTRY_URL"}
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
