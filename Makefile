# Every target makes what it needs and can be called again. On Windows: see README.md.
PYTHON ?= python3
PRESET ?= laptop
# Tests and notebooks at a time, each with one thread
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
UV := .venv-uv/bin/uv
# Plain stdout of tools, and one place for everything that a run writes
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1
# As facelab/__init__.py, for notebooks that load PyTorch before facelab
export GOMP_SPINCOUNT ?= 1000

.PHONY: course test unit smoke nbval lab notebooks book bench bench-scale lint lock test-lowest test-newest clean

course: $(VENV)/.ready  ## run every notebook and show what was measured
	$(BIN)/facelab run all --preset $(PRESET)
	$(BIN)/facelab leaderboard --metric '^(right|top1/all|eer)/'
	@echo "These are the main figures; all of them: $(BIN)/facelab leaderboard"
	@echo "Executed notebooks: runs/notebooks. Records: runs/records. To step through the course yourself: make lab"

test: lint unit smoke nbval  ## all of it, as CI does

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

unit: $(VENV)/.ready
	FACELAB_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile

smoke: $(VENV)/.ready  ## every notebook once by papermill, the quick way
	rm -rf runs/smoke
	FACELAB_RUNS="$(CURDIR)/runs/smoke" $(BIN)/facelab batch make smoke all --preset smoke
	FACELAB_THREADS=1 FACELAB_RUNS="$(CURDIR)/runs/smoke" $(BIN)/facelab batch run smoke --workers $(WORKERS)

nbval: $(VENV)/.ready  ## every notebook against its stored outputs
	FACELAB_THREADS=1 FACELAB_RUNS="$(CURDIR)/runs/nbval" $(BIN)/pytest -n $(WORKERS) --dist loadfile \
		--nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg notebooks --ignore notebooks/src

lab: $(VENV)/.ready  ## open the course in JupyterLab
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

notebooks: $(VENV)/.ready  ## rebuild the stored notebooks from notebooks/src
	$(BIN)/facelab build

book: $(VENV)/.ready  ## the book: all notebooks with their stored outputs and the pages of docs/, as HTML
	$(BIN)/sphinx-build -q -W --keep-going -c docs -d runs/book/doctrees . runs/book/html
	@echo "Open runs/book/html/index.html"

bench: $(VENV)/.ready  ## speed and memory beside other libraries, and the table of README.md (PARTS="views steps": some of it)
	$(BIN)/python -m benchmarks $(PARTS)

bench-scale: $(VENV)/.ready  ## half a million made photographs: speed and memory at four sizes (SIZES="1000 10000": the quick look)
	$(BIN)/python -m benchmarks.scale $(SIZES)

lock: $(VENV)/.ready $(UV)  ## requirements.lock: the versions of .venv with their hashes, for Linux, macOS and Windows
	$(BIN)/pip freeze --exclude-editable > $(VENV)/versions.txt
	$(UV) pip compile pyproject.toml --all-extras --universal --python-version 3.11.5 --constraint $(VENV)/versions.txt \
		--generate-hashes --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.lock

test-lowest: RESOLUTION := lowest-direct
test-newest: RESOLUTION := highest
test-lowest test-newest: test-%: $(UV)  ## the unit tests with the lowest, or the newest, versions that pyproject.toml admits
	$(UV) venv --quiet --clear --python $(PYTHON) .venv-$*
	$(UV) pip install --quiet --python .venv-$* --resolution $(RESOLUTION) -e ".[test]"
	.venv-$*/bin/pytest

$(UV):
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/pip install uv

clean:  ## remove the environment and everything that was written; data sets and the cache stay
	rm -rf $(VENV) .venv-lowest .venv-newest .venv-uv runs .pytest_cache .ruff_cache .hypothesis

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "facelab needs Python 3.10 or later: make PYTHON=/path/to/python3.12")'
	@command -v c++ >/dev/null || { echo "facelab needs a C++ compiler (annoy is built from source): apt install g++, or xcode-select --install"; exit 1; }
	@echo "Making $(VENV); the first time this downloads PyTorch and takes some minutes ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -e ".[test]"
	@touch $@
