# Two commands to know:   make demo   a digit classifier, trained and tested on real digits
#                         make test   all tests, from a fresh clone; CI adds make test-widths, make lint, make docs
# Both create .venv beside this file and install caffe64 into it; all they need is Python 3.11 to 3.14 and make.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$p && break; done)
MNIST := data/mnist
TRAIN_ROWS ?= 60000
TEST_ROWS ?= 10000
PERF ?=
SMOKE := $(addprefix tests/,test_architecture.py test_errors.py test_public_names.py formats/test_network.py \
	formats/test_optimizer.py formats/test_weights.py engine/compiler/test_fields.py engine/vectors/test_simd.py \
	engine/graph/test_shapes.py engine/graph/test_fold_batchnorm_scale.py engine/graph/plan/test_caffe_cases.py \
	cli/test_app.py)
LOWEST := $(SMOKE) $(addprefix tests/,test_api.py test_pickles.py test_packaging.py test_sklearn.py test_sklearn_training.py formats engine/textnet/test_arrays.py \
	engine/graph/test_onnx_export.py engine/graph/onnx cli/test_caffe_export.py cli/test_onnx_files.py)
TESTS ?=
RESULTS ?= $(wildcard perf/results/*.json)

.PHONY: demo demos lenet test smoke test-widths sdist-test wheels lowest opencv5 mpich lint docs format perf perf-readme data clsTrain clsTest regTrain regTest clean

demo: $(VENV)/.demos
	$(BIN)/python demos/mnist/run.py

# All demos at reduced size; python demos/sheet.py then puts their pictures onto one sheet.
demos: $(VENV)/.demos
	$(BIN)/python demos/all.py

# Caffe's example: its net and solver on MNIST, ten thousand minibatches.
lenet: $(VENV)/.demos
	$(BIN)/python demos/lenet/run.py

# All kernels are compiled before, or both of the processes that run the tests would compile most of them.
test: $(VENV)/.dev
	$(BIN)/caffe64 warmup
	$(BIN)/python -m pytest -n 2 --dist loadfile

# One file of tests per floor: seconds, once kernels are compiled.
smoke: $(VENV)/.dev
	$(BIN)/python -m pytest -q $(SMOKE)

# A few of the tests again, with vectors of the two widths that are not this CPU's own.
test-widths: $(VENV)/.dev
	$(BIN)/python tests/other_widths.py

# Before a release: the sdist's tests (all, or make sdist-test TESTS=tests/formats), the wheel on every Python that is
# found, a choice of tests with the lowest versions of all dependencies on the oldest Python.
sdist-test: $(VENV)/.dev
	$(BIN)/python tests/release/sdist.py $(TESTS)

wheels: $(VENV)/.dev
	$(BIN)/python tests/release/wheels.py

lowest: $(VENV)/.dev
	$(BIN)/python tests/release/lowest.py $(LOWEST)

# Detectors as ONNX in OpenCV 5.
opencv5: $(VENV)/.dev
	$(BIN)/python tests/release/opencv5.py tests/engine/graph/test_detection_export.py

# Trainings over MPICH's ranks; all other tests have Open MPI.
mpich: $(VENV)/.dev
	$(BIN)/python tests/release/mpich.py tests/ranks

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd src && $(abspath $(BIN))/mypy

# Built, and looked at in Chromium where that is installed: wide and narrow, light and dark.
docs: $(VENV)/.docs $(VENV)/.dev
	$(BIN)/python -m sphinx -b html -E -W --keep-going -q docs docs/_build
	$(BIN)/python -m pytest -q tests/docs/test_looks.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# make perf PERF="--quick --output new.json"; PyTorch and JAX take part if they are installed into $(VENV).
perf: $(VENV)/.perf
	$(BIN)/python -m caffe64.perf $(PERF)

# The README has the newest of these files, docs/explanation/performance.md all of them.
perf-readme: $(VENV)/.perf
	$(BIN)/python -m caffe64.perf readme $(RESULTS) --page README.md --page docs/explanation/performance.md

# The original's targets: MNIST as text files, then its two nets through the command line.
data: $(VENV)/.demos
	$(BIN)/python demos/mnist/text_files.py $(MNIST)

clsTrain: $(VENV)/.demos
	mkdir -p netWeights
	$(BIN)/caffe64 train demos/mnist/network5.txt netWeights/weights.bin demos/mnist/optimsetting.txt $(TRAIN_ROWS) $(MNIST)/mnistX.txt $(MNIST)/mnistYn.txt

clsTest: $(VENV)/.demos
	$(BIN)/caffe64 test demos/mnist/network5.txt netWeights/weights.bin $(TEST_ROWS) $(MNIST)/mnistXe.txt $(MNIST)/p.txt

regTrain: $(VENV)/.demos
	mkdir -p netWeights
	$(BIN)/caffe64 train demos/mnist/networkReg.txt netWeights/weightsreg.bin demos/mnist/optimsetting.txt $(TRAIN_ROWS) $(MNIST)/mnistX.txt $(MNIST)/mnistYn.txt

regTest: $(VENV)/.demos
	$(BIN)/caffe64 test demos/mnist/networkReg.txt netWeights/weightsreg.bin $(TEST_ROWS) $(MNIST)/mnistXe.txt $(MNIST)/preg.txt

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info netWeights demos/out docs/_build .pytest_cache .ruff_cache \
		.mypy_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 to 3.14 found; say where: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# One stamp an extra; the second install finds all but its own packages there. Bytecode is made of what is imported.
$(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -e ".[$*]"
	@touch $@
