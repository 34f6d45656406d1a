# Two commands are all it takes on a fresh machine: make run · make test
PYTHON   ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
DATASET  ?= phantom
PRESET   ?= quick
SET      ?=
SPLIT    ?=
PATIENTS ?= 12
NOTEBOOK ?= inspect_a_case
FOLDER   ?=
OUT      ?=
MAP      ?=

# What a user typed reaches the shell as variables, never as text that it would read as a command;
# and as it was typed: make would take the $ of share$/ct for the start of a name of its own
override DATASET  := $(value DATASET)
override SET      := $(value SET)
override FOLDER   := $(value FOLDER)
override OUT      := $(value OUT)
override MAP      := $(value MAP)
export DATASET PRESET SET SPLIT PATIENTS FOLDER OUT MAP

PY        := .venv/bin/python
INSTALLED := .venv/installed
# as a variable: the path may hold spaces, or what a shell would read as its own
export TEST_WORKSPACE := $(CURDIR)/build/test
TESTING   := LUNG_WORKSPACE="$$TEST_WORKSPACE"
# an environment whose Python is gone, as after an upgrade of the system, is made anew
BROKEN    := $(if $(wildcard .venv),$(shell .venv/bin/python -c '' 2>/dev/null || echo .venv/broken))
NBVAL     := --nbval --nbval-current-env --nbval-sanitize-with notebooks/nbval.cfg

# What ESLint asks for. Nothing else needs Node.js: without it `make lint` leaves viewer.js out.
NODE_SUFFICES := command -v npm >/dev/null && node -e \
  'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'

LATEX     := latexmk texlive-latex-extra texlive-science texlive-fonts-recommended lmodern \
             texlive-extra-utils poppler-utils

.PHONY: help setup phantom data deidentify run studies app report bench test test-unit test-notebooks test-studies \
        test-browser test-report kill fuzz \
        docs notebooks lint lint-js format clean clean-all

help:  ## list what can be made
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "%-18s%s\n", $$1, $$2 }' Makefile
	@echo; echo "PATIENTS=<how many, or all>  NOTEBOOK=<name, for make app>"; echo "DATASET=<name under data/, or folder>  PRESET=<see utils/settings.py>"; \
	echo "SET=\"<field>=<value> …\" of the preset  SPLIT=<thirds, first8 or random8>"; \
	echo "FOLDER=<original>  OUT=<new folder>  MAP=<new file that leads back, or none>"

setup: $(INSTALLED)  ## install everything into .venv

.PHONY: .venv/broken
$(INSTALLED): requirements.txt pyproject.toml $(BROKEN)
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, $(or $(PYTHON),but no Python) was found: make setup PYTHON=python3.12"; \
	  exit 1; }
	$(if $(BROKEN),@echo "The Python of .venv does not start any more: .venv is made anew.")
	$(PYTHON) -m venv $(if $(BROKEN),--clear) .venv
	$(PY) -m pip install --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --disable-pip-version-check --no-deps -e .
	@touch $@

phantom: $(INSTALLED)  ## make the embedded data set (synthetic patients)
	@$(PY) -m utils.datasets.phantom

studies: phantom  ## notebooks 05 to 07: losses, robustness, other kinds of images
	@$(PY) -m utils.workflow --dataset "$$DATASET" --preset "$$PRESET" --studies

data: $(INSTALLED)  ## fetch PATIENTS real patients of the public LCTSC collection into data/lctsc
	@$(PY) -m data.lctsc --patients "$$PATIENTS"

deidentify: $(INSTALLED)  ## copy FOLDER (a case or a data set) into OUT without what names a patient
	@$(PY) -m utils.deidentify --out "$$OUT" --map "$$MAP" -- "$$FOLDER"

run: $(INSTALLED) $(if $(filter phantom,$(DATASET)),phantom)  ## notebooks 01 to 04 on DATASET
	@$(PY) -m utils.workflow --dataset "$$DATASET" --preset "$$PRESET" --set "$$SET" --split "$$SPLIT"

app: $(INSTALLED) $(if $(filter phantom,$(DATASET)),phantom)  ## look at cases and predictions in a browser, on this machine only (Voilà)
	@$(PY) -m voila --Voila.ip=127.0.0.1 notebooks/$(NOTEBOOK).ipynb

report: $(INSTALLED)  ## build/report/report.pdf from the figures of DATASET (needs LaTeX)
	@$(PY) -m report.build --dataset "$$DATASET"

test: lint test-unit test-notebooks  ## every check that needs no browser and no LaTeX

lint: $(INSTALLED) lint-js  ## style, who imports whom (import-linter), types of the faces (mypy)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	$(PY) -m mypy

lint-js:  ## style of viewer.js, where Node.js is there
	@if ! { $(NODE_SUFFICES); }; then \
	  echo "viewer.js was not linted: that needs npm and Node.js 20.19 or newer."; exit 0; fi; \
	test node_modules/installed -nt package.json \
	  || { npm install --no-audit --no-fund && touch node_modules/installed; } || exit 1; \
	node_modules/.bin/eslint utils eslint.config.js

test-unit: $(INSTALLED)  ## tests of utils
	$(PY) -m pytest -q -n 2 --dist loadfile --ignore=tests/browser --ignore=tests/latex tests

# In a workspace of its own, so that nothing made earlier can stand in for what the code does now
test-notebooks: $(INSTALLED)  ## execute notebooks 00 to 04 again and compare their outputs
	rm -rf build/test/data/phantom/derived build/test/figures
	$(TESTING) $(PY) -m utils.datasets.phantom
	$(TESTING) $(PY) -m pytest -q -p no:xdist $(NBVAL) notebooks/0[0-4]*.ipynb

test-studies: $(INSTALLED)  ## the same for notebooks 05 to 07
	rm -rf build/test/data/*/derived build/test/figures
	$(TESTING) $(PY) -m utils.datasets.phantom
	$(TESTING) $(PY) -m pytest -q -p no:xdist $(NBVAL) notebooks/0[5-7]*.ipynb

test-browser: phantom  ## move the slice viewer in a real browser (needs chromium)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	  || { echo "A browser is needed; on Debian: apt-get install chromium"; exit 1; }
	$(PY) -m pytest -q tests/browser

test-report: $(INSTALLED)  ## build the report from invented numbers (needs LaTeX)
	@for tool in latexmk texcount pdftotext; do command -v $$tool >/dev/null || { \
	  echo "$$tool is missing; on Debian: apt-get install $(LATEX)"; exit 1; }; done
	$(PY) -m pytest -q tests/latex

kill: $(INSTALLED)  ## kill training and prediction twenty times: they must end as if unbroken
	$(PY) tests/builders/kill_training.py --kills 20
	$(PY) tests/builders/kill_cohort.py --kills 20

fuzz: $(INSTALLED)  ## feed the loader thousands of broken files, and the project its own records, damaged
	$(PY) -m tests.fuzz --seconds 100
	$(PY) -m tests.fuzz.persisted --count 500

docs: $(INSTALLED)  ## a chapter for each room of utils, and a walk: build/docs/index.html
	@$(PY) -m sphinx -E -W --keep-going -q -b html docs build/docs
	@echo "docs: build/docs/index.html"

bench: $(INSTALLED)  ## timings against peers, side by side, into benchmarks/results
	$(PY) -m benchmarks.loading_speed
	$(PY) -m benchmarks.alignment_faults
	$(PY) -m benchmarks.training_speed --sizes 256 512
	$(PY) -m benchmarks.training_memory
	$(PY) -m benchmarks.viewer_speed
	$(PY) -m benchmarks.cohort
	$(PY) -m benchmarks.predict_stages
	$(PY) -m benchmarks.results

# The studies show no viewer; the state of their progress bars would be 2 MB a notebook.
notebooks: phantom  ## execute the committed notebooks in place
	$(PY) -m jupyter nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.store_widget_state=True notebooks/0[0-4]*.ipynb notebooks/inspect_a_case.ipynb
	$(PY) -m jupyter nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.store_widget_state=False notebooks/0[5-7]*.ipynb

format: $(INSTALLED)  ## let ruff put code and notebooks in order
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:  ## delete what was computed; data sets stay
	rm -rf build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find figures/ -mindepth 2 -maxdepth 2 -regex '.*[.]\(pdf\|json\|tex\|sums\)' -exec rm -f {} +
	find data/ -mindepth 2 -maxdepth 2 -name derived -prune -exec rm -rf {} +  # not through links

clean-all: clean  ## also delete the embedded data set and the environment
	rm -rf data/phantom data/synthetic_* .venv node_modules *.egg-info
