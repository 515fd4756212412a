# Two commands on a fresh machine: `make demo` and `make test`. Both set themselves up in .venv.
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Many containers set this: then every process of every test compiles all of ours again, half a second each.
unexport PYTHONDONTWRITEBYTECODE
WORKERS ?= 2
ENGINE ?= pbft
FROM ?= 0
INTO ?= $(or $(TMPDIR),/tmp)/ledgernode-screenshots
N ?= 1000

.PHONY: help setup system demo small test test-fast test-web screenshots simulate simulate-mutants lint format stubs lock coverage web-check console kill-loop soak bench-console wheel-check parts vulnerabilities deploy-check k8s-test site fuzz bench-neighbours release-check upgrade-drill disaster jetstream clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: .venv/.installed ## Make the virtual environment .venv (everything pinned by hash)

.venv/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed (set PYTHON=/path/to/python3.11)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Ten houses live on four validators, an hour a minute, with the console (Ctrl-C ends it); ENGINE=pow, ENGINE=solo
	@mkdir -p demo
	@$(MAKE) --no-print-directory console || echo "the demo goes on without pages"
	$(BIN)/ledgernode demo demo/$(ENGINE) --engine $(ENGINE)

small: setup ## Measure what ten houses take of one machine (docs/small.md)
	$(BIN)/ledgernode community measure ten-houses

system: ## Install the Debian packages that the tests use (a broker)
	@bash tests/system.sh

test: setup system ## Every test, in parallel by file, with the 20 slowest printed
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not browser and not log"

test-fast: setup ## The tests that need no processes
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not slow"

test-web: web-check console ## The console in a real browser, before a living ledger (Debian's Chromium, Node 20)
	@bash tests/system.sh browser
	$(BIN)/python -m pytest -q -m browser tests/web

screenshots: setup console ## Pictures of every page into INTO= (outside the repository): themes, sizes, and how pages stand
	@bash tests/system.sh browser
	$(BIN)/python -m tests.web.screenshots $(INTO)

coverage: setup system ## Branch coverage of all packages (at least 90 %): the fast tests and most processes (`test` judges those, this what ran)
	rm -f .coverage .coverage.*
	-$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not slow" --cov --cov-report= --cov-fail-under=0
	-$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "slow and not browser" --cov --cov-append --cov-report= --cov-fail-under=0 \
		tests/gateway tests/devices tests/cli tests/client tests/services
	$(BIN)/coverage report

fuzz: setup ## Try every decoder with garbage near what it takes, SECONDS= (5) of computing each; what breaks one is kept
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),5)

simulate: setup ## Play schedules FROM= N= of ENGINE=pbft|pow|jetstream on every core (WORKERS=); adds a row to docs/simulations.md
	$(BIN)/python -m tests.simulation --engine $(ENGINE) --from $(FROM) --number $(N) \
		$(if $(filter command environment,$(firstword $(origin WORKERS))),--workers $(WORKERS))

simulate-mutants: setup ## Break one rule of consensus at a time; the simulator must notice each within two minutes
	$(BIN)/python -m tests.simulation.mutants

kill-loop: setup ## Kill the node 50 times under load; nothing acknowledged may be lost
	$(BIN)/python -m tests.suites.kill_loop 50

lint: setup ## Formatting, lint, types, layers, dependencies, schemas, stubs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	cd proto && buf lint && buf format --diff --exit-code && buf breaking --against baseline.binpb
	$(BIN)/python proto/generate.py --check

format: setup ## Let ruff and buf lay out the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd proto && buf format -w

stubs: setup ## Generate the protobuf stubs again
	$(BIN)/python proto/generate.py

lock: ## Resolve the dependencies again into requirements.lock
	python3 -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	.venv-lock/bin/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --extra gateway --extra jetstream --extra community --extra hsm --extra trace --extra dev -o requirements.lock pyproject.toml
	.venv-lock/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --extra gateway --extra jetstream --extra trace --extra hsm -c requirements.lock -o deploy/requirements.lock pyproject.toml
	rm -rf .venv-lock

bench-console: setup system console ## The explorer with 1,000,000 transactions over HTTP, on both databases; the first page; a reading to its pixel
	$(BIN)/python -m tests.suites.explorer
	$(BIN)/python -m tests.suites.explorer --database postgresql
	@bash tests/system.sh browser
	$(BIN)/python -m tests.suites.pages

bench-neighbours: setup ## Two ledgers in one process: how long one takes while the other is overloaded, or has halted
	$(BIN)/python -m tests.suites.neighbours

disaster: setup ## Lose a validator, two of four, all of them, under load, and rebuild them from backups; nothing acknowledged is lost
	$(BIN)/python -m tests.suites.disaster

jetstream: setup system ## The engine that orders by NATS: every engine's tests on three servers, and a drill that kills them under load
	$(BIN)/python -m pytest -q -m log tests/integration
	$(BIN)/python -m tests.suites.log_drill

soak: setup system ## 10,000 meters for ten minutes, everything killed under them; nothing may be lost or doubled
	$(BIN)/python -m tests.suites.soak

web-check: ## The console and its wallet in TypeScript: types, lint, the same vectors as everybody's (needs Node 20)
	cd gateway/web && npm ci --silent --no-audit --no-fund && npm run --silent check

console: setup gateway/web/dist/index.html ## Build the console's pages, which a gateway then serves (needs Node 20)

gateway/web/dist/index.html: hatch_build.py $(shell find gateway/web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
	$(BIN)/python hatch_build.py

wheel-check: setup ## Build the wheel, install it alone into a new environment, and use it
	bash tests/suites/wheel_check.sh

parts: setup ## The list of a release's parts (SBOM, CycloneDX) from both lock files: dist/ledgernode.cdx.json
	@mkdir -p dist
	$(BIN)/python -m deploy.parts -o dist/ledgernode.cdx.json

vulnerabilities: ## Ask the advisory services about every pin; fails clearly where they cannot be reached
	bash tests/suites/vulnerabilities.sh

release-check: setup ## What a release leaves to those after it: made where this version has left nothing yet, and all of it tried
	test -d tests/data/golden/$$($(BIN)/python -c 'import ledgernode; print(ledgernode.__version__)') || $(BIN)/python -m tests.release
	$(BIN)/python -m pytest -q tests/release

upgrade-drill: setup ## Four validators upgraded one by one under load, back and forth, and past a change of the rules
	$(BIN)/python -m tests.suites.upgrade

deploy-check: setup ## The manifests for Kubernetes: rendered, held against the schemas, looked through by a scanner
	bash tests/deploy/check.sh

k8s-test: setup ## The manifests in a real cluster, built once from Debian (root, some GB in ~/.cache/ledgernode/k8s)
	$(BIN)/python -m tests.k8s

site: setup ## The pages of docs/ as a site in build/site; a link that leads nowhere is an error
	$(BIN)/python -m sphinx -W --keep-going -q -c docs/site docs build/site

clean: ## Remove what was made (the demo's data too)
	rm -rf .venv demo build dist gateway/web/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
