# The same verbs for people and for CI. Each works from a clean clone with nothing but Python, make and apt, and is
# safe to repeat: scripts/ hold what each step was made from and redo only what changed.

ifndef PYTHON
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
endif

VENV_PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test test-long check bench matrix build dist docs screenshot clean python chromium nginx

help: ## Say what each verb does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: python ## Make .venv, install everything pinned into it, build the front end
	@"$(PYTHON)" scripts/environment.py

demo: setup ## Open JupyterLab on a live run (a copy of notebooks/ in build/demo)
	@$(VENV_PYTHON) scripts/demo.py

test: setup chromium nginx ## Run every test: front end, Python, browser, notebooks (about 20 minutes)
	@$(VENV_PYTHON) scripts/frontend.py run test
	@$(VENV_PYTHON) scripts/tests.py

test-long: setup chromium nginx ## Run the tests that take minutes each, and only those
	@$(VENV_PYTHON) -m pytest -m long
	@$(VENV_PYTHON) scripts/matrix.py --print

check: setup ## Check style, types and formatting of Python and TypeScript (under a minute)
	@$(VENV_PYTHON) -m ruff check
	@$(VENV_PYTHON) -m ruff format --check
	@$(VENV_PYTHON) -m mypy
	@$(VENV_PYTHON) scripts/frontend.py run check

bench: setup chromium ## Measure what the project promises; print one table (about ten minutes)
	@$(VENV_PYTHON) -m benchmarks

matrix: setup ## Run tests with the oldest and newest versions of everything; put the table into README.md
	@$(VENV_PYTHON) scripts/matrix.py

build: setup ## Build the sdist and the wheel into dist/
	@rm -rf dist
	@$(VENV_PYTHON) -m build --no-isolation --outdir dist

dist: build ## Build them, and prove the release: install the wheel without Node, run the demo notebook on it
	@$(VENV_PYTHON) scripts/dist.py

docs: setup ## Write docs/reference/ anew out of the docstrings
	@$(VENV_PYTHON) scripts/reference.py

screenshot: setup chromium ## Take the screenshots of the documentation anew
	@$(VENV_PYTHON) scripts/screenshot.py

clean: ## Remove everything the verbs made: .venv, bundle, packages, build results, caches
	@rm -rf .venv build dist js/node_modules benchmarks/peers/built benchmarks/peers/node_modules roma_widget/static .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "clean: as cloned"

python:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "setup: roma-widget needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3" >&2; exit 1; }

chromium:
	@$(VENV_PYTHON) scripts/chromium.py

nginx:
	@$(VENV_PYTHON) scripts/nginx.py
