# finscale: `make help` lists what can be made.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TORCH  := $(shell grep '^torch==' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help study test coverage test-avx2 test-slow test-cluster docs notebook verify lint format bench bench-more controls clean

help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Each stamp says that its set of packages is installed; it is renewed when the pins change.
$(VENV)/.core: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing $(TORCH), then the rest (some minutes, once)"
	@$(PIP) $(TORCH)
	@$(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "installing what the tests need"
	@$(PIP) -c constraints.txt -e '.[dev]'
	@# mup asks for torchvision, which it never imports where it is imported here
	@$(PIP) --no-deps $(shell grep '^mup==' constraints.txt)
	@touch $@

$(VENV)/.docs: $(VENV)/.core
	@echo "installing what the site needs"
	@$(PIP) -c constraints.txt -e '.[docs]'
	@touch $@

# Browser tests drive Debian's chromium; where it cannot be had they are skipped with a reason.
$(VENV)/.browser: $(VENV)/.core
	@command -v chromium >/dev/null 2>&1 \
	  || { apt-get update -qq && apt-get install -y -qq -o DPkg::Lock::Timeout=120 chromium; } >/dev/null 2>&1 \
	  || echo "chromium cannot be installed here: browser tests will be skipped"
	@touch $@

# The default study; another one: make study STUDY=configs/studies/sp500_first.yaml
STUDY ?= configs/studies/sp500_parameters.yaml
study: $(VENV)/.core  ## Run the default study on bundled bars and write its report (resumes; QUICK=1 rehearses it)
	$(BIN)/finscale study run $(STUDY) $(if $(QUICK),--quick)

test: $(VENV)/.dev $(VENV)/.docs $(VENV)/.browser  ## Lint, types, import contracts, the site and all tests but the slow ones
	@$(MAKE) --no-print-directory -j2 lint docs  # one core each
	$(BIN)/python -m pytest -n 2 --dist worksteal

coverage: $(VENV)/.dev $(VENV)/.browser  ## The same tests with their coverage counted, which takes a third longer
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term --cov-fail-under=90

# What a processor without AVX-512 computes, on one that has it: torch, oneDNN and MKL are held to AVX2.
AVX2 := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
test-avx2: $(VENV)/.dev $(VENV)/.browser  ## All tests but the slow ones, as on a processor without AVX-512
	$(AVX2) $(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/.dev  ## The tests that need minutes
	$(BIN)/python -m pytest -m 'slow and not cluster'

# A real PostgreSQL is started by the tests; where it cannot be had they are skipped with a reason.
$(VENV)/.postgresql: $(VENV)/.core
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 \
	  || { apt-get update -qq && apt-get install -y -qq -o DPkg::Lock::Timeout=120 postgresql; } >/dev/null 2>&1 \
	  || echo "postgresql cannot be installed here: its tests will be skipped"
	@touch $@

test-cluster: $(VENV)/.dev $(VENV)/.postgresql  ## Tests against real Ray, PostgreSQL and torchrun (under 15 minutes)
	$(BIN)/python -m pytest -m cluster

docs: $(VENV)/.docs  ## Build the site into docs/_build/html; a warning is an error
	@rm -rf docs/reference/api/generated  # pages of names that have moved
	$(BIN)/python -m sphinx -b html -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html

notebook: $(VENV)/.dev  ## Run the notebook from its first cell to its last
	$(BIN)/python -m pytest tests/docs/test_notebook.py

verify: $(VENV)/.core  ## Check the environment and every registered dataset
	$(BIN)/finscale verify

lint: $(VENV)/.dev  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) -c constraints.txt $(TORCH) -e '.[bench]'
	@touch $@

bench: $(VENV)/.bench  ## Measure speed against peers (under 20 minutes) and write docs/performance.md's tables
	$(BIN)/python benchmarks/training.py --rounds 2
	$(BIN)/python benchmarks/fit_overhead.py
	$(BIN)/python benchmarks/study.py --seeds 2
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/windows.py --rounds 3
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/performance_page.py --machine here

bench-more: $(VENV)/.bench  ## The rest: kernels, ensembles, waiting threads, growth, memory, bf16, law fit, ETTh1, backtest, heat
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/ensemble.py
	$(BIN)/python benchmarks/spinning.py --rounds 2
	$(BIN)/python benchmarks/scaling.py --figure docs/figures/cost.png
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/bf16_agreement.py
	$(BIN)/python benchmarks/backtest.py
	$(BIN)/python benchmarks/thermal.py
	$(BIN)/python benchmarks/law_fit.py --rounds 1
	$(BIN)/python benchmarks/ett.py --architecture patchtst,dlinear,nlinear --horizons 96
	$(BIN)/python benchmarks/performance_page.py --machine here

controls: $(VENV)/.core  ## Calibrate the instrument: the whole suite of known answers (under 30 minutes)
	$(BIN)/finscale controls run --full --out docs/figures/controls.json --figure docs/figures/controls.png; \
	  missed=$$?; $(BIN)/python benchmarks/controls_page.py; exit $$missed

clean:  ## Remove the environment and caches; data, runs and studies stay
	rm -rf $(VENV) docs/_build docs/auto_examples docs/reference/_generated docs/reference/api/generated .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage*
