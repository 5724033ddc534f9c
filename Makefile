# One command each. A fresh machine needs Python 3.11 or newer and make; everything else comes into .venv.
#
#   make demo     the main job: a year of flights, exactly once        make test     everything that CI runs, in steps:
#   make check    linters, types, contracts and unit tests (< 1 min)   make integration    real processes, real S3 servers
#   make docs     rewrite the pages made from code                     make test-cluster   all in a real Kubernetes, that is:
#   make golden   rewrite the golden files                             make smoke          the cluster and the image
#   make image    the image weir:dev, and its size                     make e2e            the operator, a file a scenario
#   make crds     rewrite the CRDs from the operator's classes         make manifests     and what is rendered from the chart
#   make constraints   the newest versions of what tests run with
#   make bench    Weir beside its peers (an hour)                     make bench-quick    one short round (under two minutes)
#   make clean    forget .venv and outputs

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest -q
TYPING := $(wildcard tests/typing/*.py)

.DEFAULT_GOAL := check
.PHONY: venv constraints demo check lint format types contracts unit property integration tools programs test test-cluster smoke e2e image golden docs crds manifests bench bench-quick clean

venv: $(STAMP)

$(STAMP): pyproject.toml tests/constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint tests/constraints.txt -e '.[dev,flights,operator,columnar]'
	@touch $@

# What the tests run with is named by version, so that a release of somebody else breaks nobody's day; users get what pyproject.toml allows.
constraints:
	@rm -rf out/constraints && $(PYTHON) -m venv out/constraints
	@out/constraints/bin/python -m pip install --quiet --disable-pip-version-check --upgrade '.[dev,flights,operator,columnar]'
	@out/constraints/bin/python -m pip freeze --exclude weir-stream --exclude pip --exclude setuptools > tests/constraints.txt

demo: venv
	@$(BIN)/python -m examples.flights

# All share two cores, the longest first; all of them report, whichever fails.
check: venv
	@$(MAKE) --no-print-directory -k -j2 -O unit property types lint format contracts

lint: venv
	@$(BIN)/ruff check --quiet .

format: venv
	@$(BIN)/ruff format --check --quiet .

types: venv
	@$(BIN)/mypy --no-error-summary
	@$(if $(TYPING),$(BIN)/mypy --no-error-summary $(TYPING))

contracts: venv
	@$(BIN)/lint-imports --no-logo

unit: venv
	@$(PYTEST) tests/unit tests/test_layout.py tests/contract/test_crds_as_written.py

property: venv
	@$(PYTEST) tests/property

# The steps run side by side where they may; at the end stand the failures and the time of each (tests/pipeline/steps.py).
test: venv
	@$(BIN)/python -m tests.pipeline

# Two files at a time: most of it waits for processes to start, to die and to be missed.
integration: venv
	@$(PYTEST) -n 2 --dist loadfile --durations 25 tests $(foreach part,unit property test_layout.py smoke e2e,--ignore tests/$(part))

# MinIO, on which S3 tests run beside SeaweedFS, and Helm for the chart: built by Go where that is there, minutes once; CI must be able to.
tools: venv
	@$(BIN)/python -m tests.cluster build minio helm-3 helm-4 || test "$$CI" != true

# What a cluster is made of, and our image (the first time ten minutes).
programs: venv
	@$(BIN)/python -m tests.cluster prepare

# In the cluster that is up, or in one of their own that is gone afterwards.
test-cluster: venv
	@$(BIN)/python -m tests.cluster during $(MAKE) --no-print-directory -k smoke e2e

smoke: venv
	@$(PYTEST) tests/smoke

# Two scenarios at a time, each in namespaces of its own.
e2e: venv
	@$(PYTEST) -n 2 --dist loadfile --durations 25 tests/e2e

# By docker, or by buildah where no engine answers; WEIR_IMAGE_BASE names another base.
image: venv
	@$(BIN)/python -m tests.image

golden: venv
	@$(PYTEST) tests --rewrite-golden

docs: venv
	@$(BIN)/python docs/generate.py

manifests: venv
	@$(BIN)/python charts/render.py

crds: venv
	@$(BIN)/python crds/generate.py

bench: venv
	@$(BIN)/python -m benchmarks

# For a change to a hot module: beside Bytewax only, one short round.
bench-quick: venv
	@$(BIN)/python -m benchmarks.bench_keyed_process --quick

clean:
	@rm -rf $(VENV) out .weir .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
