# Two commands: `make run` shows Dispatcher at work, `make test` is the whole gate. `make help` lists the rest.
# Needed: Linux, make, Python 3.11 or newer with its venv module, CA certificates, and a package index that pip can reach.

PYTHON ?= python3
# Test processes at once (they wait more than they compute), and further words for the command that a target runs: make test ARGS='-k pacing'
JOBS ?= $(shell expr 2 \* $$(nproc))
ARGS ?=

# `make PYTHON=python3.12` rebuilds an environment of another Python; a mere default never does.
NAMED := $(filter-out file default,$(origin PYTHON))

# Each process of the program would compile all that it imports, which takes longer than what it is started for.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check faults bench bench-full cover procs docs format lock upgrade clean env-run env-dev

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1	\2/p' Makefile | expand -t 14

# make starts a command without shell characters directly, so signals reach the program itself.
run: export PYTHONUNBUFFERED = 1
run: env-run ## start everything with sample data: the demo
	@.venv/bin/python -m dispatcher demo $(ARGS)

test: check ## the gate: format, lint, types, import contracts, tests
	.venv/bin/pytest -n $(JOBS) --dist worksteal $(ARGS)

check: env-dev ## the gate without the tests
	.venv/bin/ruff format --check --output-format concise
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

# Longer than a test of the gate may take; the table of what each fault left is the end of what it prints.
faults: export FAULTS = full
faults: JOBS := 3
faults: env-dev ## every fault at length, in about an hour: what was accepted, lost, doubled, in doubt, and how soon it is over
	.venv/bin/pytest -n $(JOBS) --maxschedchunk 1 --timeout 900 tests/faults $(ARGS)

bench: env-dev ## measure speed, alone on the machine
	@.venv/bin/python -m tests.bench $(ARGS)

bench-full: env-dev ## the same, also with a history of 5,000,000 rows
	@.venv/bin/python -m tests.bench --full $(ARGS)

cover: env-dev ## run the tests and tell which branches they miss; none of core may be missed
	.venv/bin/pytest -n $(JOBS) --cov --cov-report= $(ARGS)
	.venv/bin/coverage report
	.venv/bin/coverage report --include='dispatcher/core/*' --fail-under=100

# honcho ends everything as soon as one process ends, and a release ends at once: so that first, then the lasting ones.
# 130 is its word for Ctrl-C.
procs: export DISPATCHER_PUBLIC_URL ?= http://127.0.0.1:$(or $(PORT),5000)
procs: env-dev ## run the Procfile by honcho: release, then web and worker
	@PATH="$$PWD/.venv/bin:$$PATH" .venv/bin/honcho start release
	@trap : INT; PATH="$$PWD/.venv/bin:$$PATH" .venv/bin/honcho start web worker || [ $$? -eq 130 ]

docs: env-dev ## redraw what the docs show of the program's own tables
	.venv/bin/python -m tests.redraw

format: env-dev ## lay out the code and mend what ruff can mend
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

# Only these targets see the script and its settings: a program that `run` or `test` starts finds nothing of it around.
env-run env-dev lock upgrade: export SCRIPT = $(ENVIRONMENT)
env-run env-dev lock upgrade: export PYTHON := $(PYTHON)
env-run env-dev lock upgrade: export NAMED := $(NAMED)

lock: ## write requirements*.lock from pyproject.toml, keeping what still fits
	@sh -c "$$SCRIPT" make lock

upgrade: ## the same, with the newest releases that are a week old
	@sh -c "$$SCRIPT" make lock --upgrade

clean: ## remove the environment and what the tools left behind, but no data
	rm -rf .venv .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist htmlcov
	find . -name __pycache__ -prune -exec rm -rf {} +

env-run: ## make the environment that the program needs in .venv, and start nothing
	@sh -c "$$SCRIPT" make run

env-dev:
	@sh -c "$$SCRIPT" make dev

# The environment: run = requirements.lock, dev = requirements-dev.lock, which holds all of the former. Two files tell
# what is there: .venv/.made (for which folder and Python) and .venv/.synced (which lock files); each is written last.
define ENVIRONMENT
set -eu
say() { printf '%s\n' "$$*" >&2; }
die() { say "$$@"; exit 1; }
python=.venv/bin/python

# Two makes at once: one builds, the other waits. The Makefile itself is the lock, so no file is left over.
if command -v flock >/dev/null; then
  exec 9<Makefile
  flock -n 9 || { say 'Waiting for another make to finish with .venv ...'; flock 9; }
fi

# An environment knows its folder by its full path and its Python by version: a copy, or an upgraded Python, needs a new one.
identity() { "$$1" -IS -c 'import sys; print("%d.%d" % sys.version_info[:2], sys.base_prefix)' 2>/dev/null || echo none; }
have=$$(identity $$python)
if [ "$$(cat .venv/.made 2>/dev/null)" != "$$(pwd -P) $$have" ] ||
   { [ -n "$$NAMED" ] && [ "$$(identity "$$PYTHON")" != "$$have" ]; }; then
  "$$PYTHON" -c '' 2>/dev/null ||
    die "No $$PYTHON runs here: install Python 3.11 or newer, or name one by make PYTHON=/path/to/python3."
  "$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$$PYTHON is $$("$$PYTHON" -V 2>&1), and Dispatcher needs 3.11 or newer: name one by make PYTHON=/path/to/python3."
  "$$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$$PYTHON has no venv module: install it (on Debian and Ubuntu: apt-get install python3-venv)."
  say "Making .venv with $$("$$PYTHON" -V) ..."
  # Its base, since $$PYTHON may be the one inside the .venv that goes away now.
  base=$$("$$PYTHON" -c 'import sys; print(sys._base_executable)')
  rm -rf .venv
  "$$base" -m venv .venv
  # pip takes hashes from no constraints file, so uv's own lines are cut from the lock. uv does the rest, in a tenth of the time.
  sed -n '/^uv==/,/[^\\]$$/p' requirements.lock >.venv/uv.txt
  $$python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: --require-hashes -r .venv/uv.txt
  printf '%s\n' "$$(pwd -P) $$(identity $$python)" >.venv/.made
fi

want=$$(cksum pyproject.toml requirements.lock requirements-dev.lock)
case "$$1 $$(cat .venv/.synced 2>/dev/null)" in
  "run run $$want" | "run dev $$want" | "dev dev $$want") exit 0 ;;
  "run dev "*) set -- dev ;; # what has grown for the tests stays
esac

# uv reads neither pip's files nor its variables: hand on where packages come from, unless uv was told itself.
told=$$($$python -m pip config list)
pip_says() {
  for level in :env: install global; do
    printf '%s\n' "$$told" | sed -n "s/^$$level\.$$1='\(.*\)'$$/\1/p"
  done | sed -n '1{s/\\n/ /g;s/^ *//;p;}'
}
hand_on() { # pip's setting, uv's variable
  eval "set -- \"\$$1\" \"\$$2\" \"\$${$$2:-}\""
  value=$$(pip_says "$$1")
  [ -n "$$3" ] || [ -z "$$value" ] || export "$$2=$$value"
}
[ -n "$${UV_INDEX_URL:-}" ] || hand_on index-url UV_DEFAULT_INDEX
hand_on cert SSL_CERT_FILE
hand_on proxy ALL_PROXY
hand_on trusted-host UV_INSECURE_HOST
export UV_SYSTEM_CERTS=$${UV_SYSTEM_CERTS:-1} # as pip: a company's own authority is known to the system only
unset UV_CONSTRAINT UV_EXCLUDE_NEWER UV_NO_BUILD UV_OVERRIDE UV_PYTHON UV_REQUIRE_HASHES UV_SYSTEM_PYTHON # for others
# No home, as some services' users have none: then without a cache. Copies, since a link's other end is every other project's.
cache=$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$${HOME:-/nonexistent}/.cache}/uv}
mkdir -p "$$cache" 2>/dev/null && [ -w "$$cache" ] || export UV_NO_CACHE=1
export UV_LINK_MODE=copy
export UV_COMPILE_BYTECODE=1
uv() { .venv/bin/uv --no-config --quiet "$$@"; }

if [ "$$1" = lock ]; then
  shift
  # A week's wait, so that a poisoned release is found out before it is ours.
  compile() { uv pip compile --universal --python-version 3.11 --no-build --generate-hashes --no-header --no-annotate --exclude-newer '7 days' "$$@" pyproject.toml; }
  compile "$$@" --group build --output-file requirements.lock
  compile "$$@" --group dev --constraints requirements.lock --output-file requirements-dev.lock
  exit
fi

# Only what the lock files name, by hash. An index besides the main one is safe here for the same reason; not when locking.
hand_on extra-index-url UV_INDEX
export UV_INDEX_STRATEGY=unsafe-best-match
lock=requirements.lock
[ "$$1" = run ] || lock=requirements-dev.lock
say "Installing $$lock ..."
rm -f .venv/.synced
uv pip sync --python $$python --no-build --require-hashes $$lock
uv pip install --python $$python --no-deps --no-build-isolation --editable .
uv pip check --python $$python || die "The lock files lag behind pyproject.toml: run make lock."
printf '%s\n' "$$1 $$want" >.venv/.synced
endef
