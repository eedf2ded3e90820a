# One entry for everything: make demo, make test, make lint type docs bench.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= build/demo
BENCH ?= build/bench
# Seconds that make fuzz takes for each target.
FUZZ ?= 600
TARGETS ?= malformed_store consent_documents media_files mark_payloads policy_facts settings_and_scripts
# Where pip has been told to look for local wheels; uv reads its own variable.
FIND_LINKS = $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null)
# Install what one target alone needs: $(call tool,module,package)
tool = $(BIN)/python -c "import $(1)" 2>/dev/null || \
    uv pip install -q --python $(BIN)/python -c constraints.txt $(2) 2>/dev/null || \
    $(BIN)/python -m pip install --quiet -c constraints.txt $(2)
# The whole suite in parallel: set JOBS=1 to debug.
JOBS ?= 2

export OMP_NUM_THREADS ?= 2
export NUMBA_CACHE_DIR ?= $(abspath build/numba)
# uv leaves packages uncompiled: without what the first process keeps, each of the suite's processes compiles PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint type docs bench bench-quick fuzz sbom advisories check clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(VENV)/.ready  ## Create the environment (uv when it is there, plain pip otherwise)

$(VENV)/.ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null 2>&1; then \
	    UV_FIND_LINKS="$(FIND_LINKS)" uv pip install --python $(BIN)/python -c constraints.txt -e '.[crosscheck,dev,did,docs,forensics,hsm,live,live2d,objects,onnx,parquet,postgres,ray,serve,speech,vtubestudio,web]'; \
	else \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[crosscheck,dev,did,docs,forensics,hsm,live,live2d,objects,onnx,parquet,postgres,ray,serve,speech,vtubestudio,web]'; \
	fi
	@touch $@

demo: setup  ## Make a disclosed talking head, verify three copies of it, audit it
	@$(BIN)/python benchmarks/demo.py $(DEMO)

# As many threads as cores already run: more of them only wait for each other.
test: export OMP_NUM_THREADS := 1
test: setup  ## The whole test suite
	@$(BIN)/python -m pytest -n $(JOBS) --dist=worksteal

lint: setup  ## Style, formatting and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

type: setup  ## mypy, strict
	@$(BIN)/mypy

docs: setup  ## Build the documentation into site/
	@$(BIN)/zensical build --strict

bench: setup  ## Measure everything, peers in the same run: build/bench/bench.html and bench.json
	@$(call tool,imwatermark,-e '.[bench]')
	@$(BIN)/python benchmarks/run.py $(BENCH)

bench-quick: setup  ## The same in less than five minutes
	@$(call tool,imwatermark,-e '.[bench]')
	@$(BIN)/python benchmarks/run.py $(BENCH) --quick

fuzz: setup  ## Ten minutes for each reader of strangers' bytes (FUZZ=60 for one)
	@$(call tool,atheris,atheris)
	@mkdir -p build/fuzz
	@for target in $(TARGETS); do \
	    echo "$$target" && $(BIN)/python fuzz/$$target.py build/fuzz/$$target -max_total_time=$(FUZZ) -artifact_prefix=build/fuzz/ || exit 1; \
	done

sbom: setup  ## A CycloneDX bill of materials of the environment: build/sbom.cdx.json
	@mkdir -p build
	@$(call tool,cyclonedx_py,cyclonedx-bom)
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o build/sbom.cdx.json $(BIN)/python
	@echo build/sbom.cdx.json

advisories: setup  ## Known vulnerabilities of what is installed (asks an advisory database on the internet)
	@$(call tool,pip_audit,pip-audit)
	@$(BIN)/pip-audit --progress-spinner off --skip-editable

check: lint type test docs  ## All that must be green

clean:  ## Remove what was built (not the environment)
	rm -rf build site .pytest_cache .mypy_cache .ruff_cache
