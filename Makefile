# One word a chore. Everything happens in .venv; nothing is installed outside it, except that `make test` as root on
# Debian installs the real servers that the interop tests start.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

unexport PYTHONDONTWRITEBYTECODE  # the suite starts some thousand processes, each of which would compile everything anew

.PHONY: demo test pythons check bench bench-smoke capacity chaos lock clean servers peers interop help

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/.demo: requirements/demo.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "phantomgate needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (once, about a minute)"
	@$(INSTALL) --require-hashes -r requirements/demo.txt
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "phantomgate needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) for development (once, about a minute)"
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## the phantom token pattern at work; ONCE=1 plays it without a browser
	@$(BIN)/phantomgate demo $(if $(ONCE),--once)

servers: $(VENV)/.dev
	@sh tests/interop/install.sh

test: $(VENV)/.dev servers  ## the whole test suite, on every core
	@$(BIN)/python -m pytest -n auto $(ARGS)

PYTHONS ?= $(shell { for version in 3.14 3.13 3.12; do command -v python$$version; done; ls -dr "$$(pyenv root)"/versions/3.1[2-4]*/bin/python3; } 2>/dev/null)
ALIKE := tests --ignore=tests/interop --ignore=tests/chaos --ignore=tests/mutation --ignore=tests/demo

pythons:         ## the suite without real gateways on other Pythons: PYTHONS="/path/to/python3.13 ..."; ARGS="tests/backends" for a part; ONE=1: the newest
	@for python in $(PYTHONS); do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  case " $$seen " in *" $$version "*) continue;; esac; seen="$$seen $$version"; venv=.cache/python$$version; \
	  echo "Python $$version"; \
	  cmp -s requirements/dev.txt $$venv/installed.txt || { \
	    $$python -m venv $$venv && $$venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt && \
	    $$venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt && \
	    $$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
	    cp requirements/dev.txt $$venv/installed.txt; } || exit 1; \
	  $$venv/bin/python -m pytest -q -n auto $(if $(ARGS),$(ARGS),$(ALIKE)) || exit 1; \
	  $(if $(ONE),break;) \
	done; test -n "$$seen" || echo "no Python of another version here: make pythons PYTHONS=/path/to/python3.13"

interop: $(VENV)/.dev servers  ## the real servers alone, and the tables in docs/reference of what ran
	@$(BIN)/python -m pytest tests/interop --ignore=tests/interop/test_matrix.py --ignore=tests/interop/test_contract_table.py $(ARGS)
	@PYTHONPATH=tests $(BIN)/python -m interop.matrix
	@PYTHONPATH=tests $(BIN)/python -m interop.contract_table

check: $(VENV)/.dev  ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.dev servers peers  ## every benchmark beside its peer, as ratios
	@$(BIN)/python bench/run.py $(ARGS)

bench-smoke: $(VENV)/.dev servers peers  ## the same, short: it runs, the figures mean little
	@$(BIN)/python bench/run.py --smoke

chaos: $(VENV)/.dev servers  ## everything that goes wrong with a fleet, under load; ARGS="--seed N", --short, --write
	@PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

capacity: $(VENV)/.dev  ## what a fleet needs, simulated with measured costs; ARGS=--help says how to ask
	@$(INSTALL) --require-hashes -r bench/capacity/requirements.txt
	@$(BIN)/python bench/capacity $(ARGS)

peers:           # what only benchmarks run beside us: jsonwebtoken and jwks-rsa, by the hashes of their lock
	@cd bench/peers/lambda_jwt && if command -v npm >/dev/null && ! cmp -s package-lock.json node_modules/.installed-lock.json; then \
	  npm ci --silent --no-audit --no-fund --ignore-scripts && cp package-lock.json node_modules/.installed-lock.json || \
	  echo "could not install jsonwebtoken and jwks-rsa; the benchmark that needs them will say so" >&2; fi

lock: $(VENV)/.dev  ## resolve the dependencies again, with hashes and without hosts
	@$(INSTALL) uv
	@for name in dev demo image; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    $$( case $$name in dev) echo --all-extras;; demo) echo --extra demo;; *) echo --extra agent --extra otel;; esac ) pyproject.toml -o requirements/$$name.txt; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra jwt --extra redis pyproject.toml -o src/phantomgate/cli/packaging/libraries.txt
	@printf 'hatchling>=1.27\neditables>=0.5\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header - -o requirements/build.txt
	@for folder in bench/capacity $(addprefix tests/interop/,django_oauth_toolkit canaille sam cdk checkov traefik caddy envoy kong); do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    $$folder/requirements.in -o $$folder/requirements.txt; done

clean:           ## forget everything that was made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .cache dist build bench/results
