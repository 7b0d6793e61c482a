# Holdfast. Each target may be the first command in a fresh clone, and may be run again any time.

PYTHON ?= python3
BOOTSTRAP = $(PYTHON) -B -m bootstrap
# Compiled modules make each of the many processes that tests start quicker.
export PYTHONDONTWRITEBYTECODE =
VENV = .venv/bin/python

.PHONY: help setup demo test history chaos fuzz bench lint ready ruff types \
	collected imports migrations format lock clean distclean

help:
	@echo "make demo          see it work: clients, an attack, containment, proof, reports"
	@echo "make demo ONCE=1   the same work once, with a summary; for machines"
	@echo "make setup         prepare everything, start nothing"
	@echo "make test          every check and test"
	@echo "make chaos         500 runs under faults and kill -9, and each action killed everywhere;"
	@echo "                   RUNS=20 SEED=7 for fewer, or again"
	@echo "make fuzz          the tests on made-up examples, of which make test tries a quarter"
	@echo "make bench         how fast plans are carried out, records and alerts taken in and rules"
	@echo "                   run, and how late polls are for 1,000 clients; TENANTS=50 SECONDS=60"
	@echo "                   for less"
	@echo "make lint          the checks without the tests; make format puts right what it can"
	@echo "make lock          resolve requirements*.in anew (needs uv)"
	@echo "make clean         remove var/, all state with it; make distclean removes .venv/ too"

setup:
	@$(BOOTSTRAP) setup
	@$(VENV) manage.py setup

# Ends with make, even when make is killed.
demo: setup
	@setpriv --pdeathsig TERM $(VENV) manage.py demo $(if $(filter-out 0,$(ONCE)),--once)

# Three on two cores: now and then a test waits for another process.
test: ready
	@$(MAKE) --no-print-directory -j 2 -O ruff types collected imports migrations
	$(VENV) -m pytest -n 3 --dist worksteal $(PYTEST)

# Before a release: what its plans and runs look like at each moment, for later ones to carry on.
history: lint
	$(VENV) -m pytest -s tests/playbooks/record_history.py

# On state of their own under var/, with a database that nobody else uses.
chaos: setup
	$(VENV) -m bench chaos $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED))
	@$(BOOTSTRAP) test
	$(VENV) -m pytest -n 2 -m chaos $(PYTEST)

# What make test tries on some made-up examples, on all of them.
fuzz:
	@$(BOOTSTRAP) test
	HOLDFAST_FUZZ=1 $(VENV) -m pytest -n 2 -m fuzz $(PYTEST)

bench: setup
	$(VENV) -m bench throughput $(if $(RUNS),--runs $(RUNS))
	@$(BOOTSTRAP) test
	$(VENV) -m bench intake
	$(VENV) -m bench doors
	$(VENV) -m bench flood $(if $(ALERTS),--alerts $(ALERTS))
	$(VENV) -m bench detection
	$(VENV) -m bench polling $(if $(TENANTS),--tenants $(TENANTS)) $(if $(SECONDS),--seconds $(SECONDS))

lint: ready
	@$(MAKE) --no-print-directory -j 2 -O ruff types imports migrations

ruff types imports migrations collected: ready

ready:
	@$(BOOTSTRAP) test

ruff:
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .

types:
	$(VENV) -m mypy

imports:
	.venv/bin/lint-imports

# Beside mypy, which has use for one core only: compiles the tests and migrates their database, which
# in a fresh clone each of three processes would do, or wait for.
FIRST = test_every_table_is_protected_or_exempt_with_a_reason
collected:
	$(VENV) -m pytest -k $(FIRST)

migrations:
	$(VENV) manage.py makemigrations --check --dry-run

format:
	@$(BOOTSTRAP) test
	$(VENV) -m ruff check --fix .
	$(VENV) -m ruff format .

COMPILE = uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.11 \
	--custom-compile-command 'make lock'
lock:
	$(COMPILE) requirements.in -o requirements.lock
	$(COMPILE) -c requirements.lock requirements-dev.in -o requirements-dev.lock

clean:
	@$(BOOTSTRAP) clean

distclean:
	@$(BOOTSTRAP) distclean
