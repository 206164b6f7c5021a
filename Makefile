# install: .venv with everything; demo: the main job on a simulated plate; test: every check; real: the real data
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data

.PHONY: install demo test real bench

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[all]'
	touch $@

demo: install
	$(BIN)/lucyte demo -o demo

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 2

real: install
	$(BIN)/python benchmarks/real.py $(DATA) -o real

bench: install
	$(BIN)/lucyte bench
