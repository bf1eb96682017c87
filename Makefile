# What people type most. Everything happens in .venv; `make PYTHON=python3.13 test` takes another interpreter.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: try test slow nightly bench picture mutation lint format ci clean

# Kill the builtin engine 200 times, and cut its power, and see what it loses.
try: .venv
	$(BIN)/python -m chaoswal kill-loop --cycles 200 --faults kill,torn,power

test: .venv
	$(BIN)/pytest -n 2

slow: .venv
	$(BIN)/pytest -m slow

# The slow tests, the self-test with two million states, and ten minutes of each engine that keeps its promises.
nightly: .venv
	CHAOSWAL_PYTHON=$(BIN)/python .ci/nightly

# Figures swing with the machine; what counts are the ratios.
bench: .venv
	$(BIN)/python -m chaoswal bench states
	$(BIN)/python -m chaoswal bench recording
	$(BIN)/python -m chaoswal bench recovery

# The README's picture, of what the command in it says.
picture: .venv
	$(BIN)/python docs/pictures/make.py

# Small mistakes planted in the oracle and the disk, one after the other: do the tests notice? docs/mutation.md
MUTATED ?= chaoswal.oracle.* chaoswal.disk.crashes* chaoswal.disk.effects* chaoswal.disk.needs*
mutation: .venv
	$(BIN)/pip install --quiet 'mutmut==3.8.1'
	nice $(BIN)/mutmut run --max-children 1 $(foreach name,$(MUTATED),'$(name)')
	$(BIN)/mutmut results

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Everything that must hold before a change is taken, in environments of its own.
ci:
	.ci/run

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[all]'
	touch .venv
