PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
CHATLIB := $(VENV)/bin/chatlib
export PIP_DISABLE_PIP_VERSION_CHECK = 1
unexport PYTHONDONTWRITEBYTECODE # every process of the tests would compile the library anew
# An option with what was given for it, for the shell: any character stands for itself.
option = $(if $(value $(2)),$(1) '$(subst ','\'',$(value $(2)))')

.PHONY: report test test-real bench bench-gpu lab images bundle notebooks format lock home clean help setup
.DEFAULT_GOAL := report

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/ready $(if $(EXTRAS),$(VENV)/extras) ## the environment in .venv [EXTRAS=cluster, for chatlib scale]

# torch is installed apart, without a hash: its build differs from machine to machine.
$(VENV)/ready: requirements.txt constraints.txt pyproject.toml .ci/hashes.txt .ci/build-hashes.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; say make PYTHON=python3.12, for example." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --require-hashes --no-deps -r .ci/build-hashes.txt
	$(RUN) pip install --quiet --require-hashes --no-deps --no-build-isolation -r .ci/hashes.txt
	$(RUN) pip install --quiet --constraint constraints.txt torch
	$(RUN) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What `chatlib scale` needs, and other programs that the tests read its data set with.
$(VENV)/extras: $(VENV)/ready .ci/extras-hashes.txt
	$(RUN) pip install --quiet --require-hashes --no-deps -r .ci/extras-hashes.txt
	@touch $@

report: setup ## the five notebooks and their report [CHATS=folder | CHANNELS=address-or-list] [NAME=name LIMIT=n ARGS="-p 03.EPOCHS=1"]
	@$(CHATLIB) run $(call option,--name,NAME) $(call option,--chats,CHATS) $(call option,--channels,CHANNELS) $(call option,--limit,LIMIT) $(ARGS)

test: setup ## all checks; with ARGS=tests/analyze only those tests
ifndef ARGS
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy & types=$$!; \
	$(RUN) pytest -m "not real" -n 4 --max-worker-restart 0 --dist loadscope --no-loadscope-reorder -o console_output_style=classic; tests=$$?; \
	wait $$types && exit $$tests
else
	$(RUN) pytest -m "not real" $(ARGS)
endif

test-real: setup ## checks on real chat, and long ones [ARGS=tests/analyze]
	$(RUN) pytest -m real $(ARGS)

bench: setup ## benchmarks against other programs
	@for script in tests/benchmarks/bench_*.py; do echo "== $$script"; $(VENV)/bin/python $$script || exit 1; done

bench-gpu: setup ## what a GPU does: encoding, training, scale encode; with ARGS=--smallest on a CPU [EXTRAS=cluster]
	$(VENV)/bin/python tests/benchmarks/gpu.py $(ARGS)

lab: setup ## JupyterLab on the notebooks
	$(RUN) jupyterlab --ServerApp.root_dir=notebooks $(ARGS)

bundle: setup ## a run's report as a single file to mail [NAME=name]
	@$(CHATLIB) bundle $(call option,--name,NAME)

images: setup ## the README's pictures, from the sample's run
	@$(CHATLIB) images

notebooks: setup ## the outputs that notebooks/ are committed with, from the sample's run
	@$(CHATLIB) notebooks

format: setup ## format the code
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

LOCK := $(RUN) uv pip compile --quiet --generate-hashes --no-annotate --no-header --constraint constraints.txt
LOCK_ALL := $(LOCK) --universal --python-version 3.11.5 --extra dev
# Leaves in the second list only the packages that the first one lacks.
KEEP_NEW := import pathlib, re, sys; \
	known, more = (re.split(r"\n(?=\S)", pathlib.Path(name).read_text().rstrip()) for name in sys.argv[1:]); \
	pathlib.Path(sys.argv[2]).write_text("\n".join(line for line in more if line not in known) + "\n")

lock: ## .ci/hashes.txt and .ci/extras-hashes.txt, after a change of requirements.txt, pyproject.toml or constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet uv==0.13.9
	echo setuptools | $(LOCK) --output-file .ci/build-hashes.txt -
	$(LOCK_ALL) --output-file .ci/hashes.txt pyproject.toml
	$(LOCK_ALL) --extra cluster --extra readers --output-file .ci/extras-hashes.txt pyproject.toml
	@$(VENV)/bin/python -c '$(KEEP_NEW)' .ci/hashes.txt .ci/extras-hashes.txt

home: setup ## a new address for badges and clones: URL=https://github.com/OWNER/REPOSITORY
	@$(CHATLIB) home $(call option,,URL)

clean: ## remove the environment, caches and the sample's run; your runs stay
	rm -rf $(VENV) data/runs/sample build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
