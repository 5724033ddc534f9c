# One command each. A fresh machine needs Python 3.11 or newer and make; everything else comes into .venv.
#
#   make demo     the main job: a year of flights, exactly once        make test     everything that CI runs
#   make check    linters, types, contracts and unit tests (< 1 min)   make golden   rewrite the golden files
#   make docs     rewrite the pages made from code                     make bench    Weir beside its peers (minutes)
#   make test-cluster   the image and MinIO in a real Kubernetes    make image    the image weir:dev, and its size
#   make clean    forget .venv and outputs

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TYPING := $(wildcard tests/typing/*.py)

.DEFAULT_GOAL := check
.PHONY: venv demo check lint format types contracts unit test test-cluster image golden docs bench clean

venv: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,flights]'
	@touch $@

demo: venv
	@$(BIN)/python -m examples.flights

# The linters and the unit tests share two cores; all of them report, whichever fails.
check: venv
	@$(MAKE) --no-print-directory -k -j2 -O lint format types contracts unit

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
	@$(BIN)/python -m pytest -q tests/unit tests/property tests/test_layout.py

# The S3 tests run on MinIO too where it can be built (by Go, two minutes once); CI must be able to.
test: check
	@$(BIN)/python -m tests.cluster build minio || test "$$CI" != true
	@$(BIN)/python -m pytest -q tests --ignore tests/unit --ignore tests/property --ignore tests/test_layout.py --ignore tests/smoke

# Brings a cluster up, unless one is up, and takes away what it brought (the first time it builds Kubernetes: ten minutes).
test-cluster: venv
	@$(BIN)/python -m pytest -q tests/smoke

# By docker, or by buildah where no engine answers; WEIR_IMAGE_BASE names another base.
image: venv
	@$(BIN)/python -m tests.image

golden: venv
	@$(BIN)/python -m pytest -q tests --rewrite-golden

docs: venv
	@$(BIN)/python docs/generate.py

bench: venv
	@$(BIN)/python -m benchmarks

clean:
	@rm -rf $(VENV) out .weir .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
