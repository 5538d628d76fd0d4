# The front door. It needs Python 3.11, make and a shell; everything else goes into .venv.
#
#   make up ARGS="--port 4001"      pass flags to `warren up`
#   make test ARGS="-k ledger -x"   pass flags to pytest (also verify; bench takes its own)
#   make PYTHON=python3.13 …        use another interpreter for .venv

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
MEMBERS := shared services/gateway services/worker services/ledger
CODE := shared services deploy $(patsubst %/,%,$(sort $(dir $(wildcard bench/*.py)))) $(wildcard tests)
READY := .venv/.ready
NODE := tests/clients/node/node_modules/.package-lock.json
CODEX := tests/clients/codex/node_modules/.package-lock.json
MAKEFLAGS += --no-print-directory

# What must not be in the repository: somebody's directories, and the hosts that packages were fetched from.
PLACES := /(root|home|work|Users|opt/(pypi|wheels))/|[p]ypi\.org/simple|python[h]osted\.|registry\.np[m]js\.

.PHONY: help setup up test verify containers lint types bench docs dashboards screenshots traceshot lock clean

help: ## tell what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make .venv with all that is needed, again only when requirements.lock or a pyproject.toml changed
	@:

$(READY): requirements.lock pyproject.toml $(MEMBERS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "setup: $(PYTHON) is not Python 3.11 or newer; name one that is: make setup PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "setup: $(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@test -x $(BIN)/pip || { echo "setup: making .venv (about a minute)" >&2; $(PYTHON) -m venv .venv; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock >.venv/uv.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip install -q -p .venv --compile-bytecode --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q -p .venv --no-deps --no-build-isolation $(MEMBERS:%=-e %)
	@touch $@

$(NODE) $(CODEX): %/node_modules/.package-lock.json: %/package-lock.json | $(READY)
	@echo "setup: installing $*" >&2
	@cd $* && PATH="$(CURDIR)/$(BIN):$$PATH" NODE_USE_SYSTEM_CA=1 \
	  npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier >"$(CURDIR)/.venv/npm.log" 2>&1 || \
	  { cat "$(CURDIR)/.venv/npm.log" >&2; exit 2; }
	@touch $@

up: setup ## run everything in one process, with a local model; ARGS are its flags
	@exec $(BIN)/warren up $(ARGS)

test: setup $(NODE) ## lint, then every test, on a RabbitMQ and a mongod of their own; installs RabbitMQ and Chromium
	@test -n "$$WARREN_TEST_AMQP_URL" || \
	  $(BIN)/python -c 'from tests.rig.rabbitmq import sbin; sbin()' 2>.venv/rabbitmq.log || \
	  { tail -n 1 .venv/rabbitmq.log | sed 's/^RuntimeError: /test: /' >&2; exit 2; }
	@$(BIN)/python -c 'from tests.rig.chromium import install; install()'
	@$(MAKE) lint
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile --max-worker-restart 0 -m "not long" $(ARGS)

verify: setup $(CODEX) ## the long runs: faults under load, slow answers, many sessions
	@$(BIN)/python -m pytest -q --timeout 900 -m "long or not long" tests/verify \
	  tests/costs/test_litellm.py tests/shared/routing/test_walk_model.py tests/system/test_continuity.py \
	  tests/system/test_real_dialects.py tests/system/test_schemathesis.py $(ARGS)

containers: setup ## run the compose files: the core, and a cluster that loses nodes; ENGINE=podman COMPOSE=podman-compose
	@$(BIN)/python -m tests.verify.containers $(ARGS)

lint: setup ## style, types, the dependency rule, and no machine's paths
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format -q --check || { echo "lint: run $(BIN)/ruff format" >&2; exit 1; }
	@$(MAKE) types
	@$(BIN)/lint-imports --no-cache >.venv/imports.log || { cat .venv/imports.log; exit 1; }
	@git grep --untracked -nIE '$(PLACES)' -- . ':!Makefile'; case $$? in \
	  0) echo "lint: the lines above name places that only some machines have" >&2; exit 1 ;; \
	  1) ;; \
	  *) echo "lint: this must be a git clone" >&2; exit 2 ;; esac

types: setup
	@$(BIN)/mypy $(CODE)

bench: setup ## measure requests, streams and latency against a fake upstream; ARGS are its flags
	@exec $(BIN)/python -m bench $(ARGS)

docs: setup ## write docs/providers.md and docs/metrics.md anew from the tables that they show
	@$(BIN)/python -m warren_worker.page >docs/providers.md.new && mv docs/providers.md.new docs/providers.md
	@$(BIN)/python -m warren.telemetry.page >docs/metrics.md.new && mv docs/metrics.md.new docs/metrics.md

traceshot: setup ## take docs/images/trace.png anew; needs Chromium, and installs Phoenix below .venv
	@$(BIN)/python -m tests.screens.trace

dashboards: setup ## write Grafana's dashboards anew from deploy/grafana/source
	@$(BIN)/python -m deploy.grafana.source

screenshots: setup ## take the pictures in docs/images anew, of a real run of some minutes; needs Chromium
	@$(BIN)/python -m tests.screens

lock: setup ## write requirements.lock anew from the pyproject.toml files, and the lock of the oracle of prices
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --group dev --python-version 3.11 \
	  --no-emit-package warren --no-emit-package warren-gateway --no-emit-package warren-worker \
	  --no-emit-package warren-ledger pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
	  tests/costs/litellm.in -o tests/costs/litellm.lock

clean: ## remove .venv and caches; data stays
	@rm -rf .venv tests/clients/*/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
