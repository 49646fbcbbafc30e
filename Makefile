# Two commands do everything: `make demo` and `make test`. Each installs what it needs into .venv first.
VENV ?= .venv
BIN := $(VENV)/bin
export WEIGHIN_RUNS ?= runs
OUT ?= report-glyphs

.PHONY: demo test test-slow check fix docs bench fonts install clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(BIN)/pip install -q --upgrade-strategy only-if-needed -c constraints.txt -e ".[dev]"
	touch $@

demo: install fonts  ## train, export and weigh glyph classifiers on the fonts of this machine; ends with a report
	$(BIN)/python benchmarks/demo.py --out $(OUT)

fonts:  ## a small set of Arabic and Latin fonts, where apt is at hand; the demo takes what is installed
	@sh benchmarks/fonts.sh

test: install  ## the tests: under ten minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-slow: install  ## those that compile for minutes, or read long documents
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow

check: install  ## lint, format, types, floors, generated docs
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

fix: install
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

docs: install  ## regenerates the tables of README.md and docs/ from docs/evidence and the registry
	$(BIN)/python docs/generate.py

bench: install fonts  ## everything the README claims, measured again; hours
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf $(VENV) runs report-*
