# Every target sets up what it needs: a virtual environment in .venv, made again when pyproject.toml changes.
# Needs Python >= 3.11 and make. Another interpreter, in an environment of its own
# (.venv-3.12): make test PYTHON=python3.12

PYTHON ?= python3
VERSION = $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV ?= $(if $(filter-out python3,$(PYTHON)),.venv-$(or $(VERSION),none),.venv)
RUN := $(VENV)/bin/python
VENV_FULL := $(abspath $(VENV))
TEST_STAMP := $(VENV)/.installed-test
DEV_STAMP := $(VENV)/.installed-dev
DOCS_STAMP := $(VENV)/.installed-docs
PYTEST_FLAGS ?= -n auto

.PHONY: demo test test-long lint format docs clean help

help:
	@echo "make demo       fit the Lotka-Volterra model to the pelt data; prints the table, writes output/lotka_volterra_fit.png"
	@echo "make test       all tests but the long ones"
	@echo "make test-long  all tests"
	@echo "make docs       the site, in build/site; warnings are errors"
	@echo "make lint       formatting, lint and the direction of imports (make format mends the formatting)"

demo: $(TEST_STAMP)
	$(RUN) examples/lotka_volterra_fit.py

test: $(TEST_STAMP)
	$(RUN) -m pytest -m "not long" $(PYTEST_FLAGS)

test-long: $(TEST_STAMP)
	$(RUN) -m pytest $(PYTEST_FLAGS)

lint: $(DEV_STAMP)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	@rm -rf build/imports && mkdir -p build/imports && cp -r sciad build/imports && cp -r solvers adjoints build/imports/sciad
	cd build/imports && PYTHONPATH=. $(VENV_FULL)/bin/lint-imports --no-logo --no-cache ../../.importlinter

docs: $(DOCS_STAMP)
	@rm -rf build/packages && mkdir -p build/packages && cp -r sciad build/packages && cp -r solvers adjoints build/packages/sciad
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

format: $(DEV_STAMP)
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

clean:
	rm -rf $(VENV) output build

$(RUN):
	@( $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' ) 2>/dev/null || { \
	  found=$$( ( $(PYTHON) --version ) 2>/dev/null || echo "not there" ); \
	  echo "sciad needs Python 3.11 or newer, and '$(PYTHON)' is $$found: nothing was run." >&2; \
	  echo "Name another interpreter: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(TEST_STAMP): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

$(DEV_STAMP): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(TEST_STAMP)

$(DOCS_STAMP): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@
