# make report [CHATS=folder | CHANNELS=address-or-list] [NAME=name LIMIT=n ARGS="-p 03.EPOCHS=1"]
#                  the whole chain, and the report
# make test        all checks            make lab     JupyterLab on the notebooks
# make test-real   checks on real chat   make bench   benchmarks against the peers
# make images      the README's pictures, from the sample's run
# make bundle [NAME=name]   a run's report as a single file to mail
# make notebooks   the outputs that notebooks/ are committed with, from the sample's run
# make home URL=https://github.com/OWNER/REPOSITORY   a new address for badges and clones
# make clean       away with the environment, caches and the sample's run; your runs stay

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# An option with what was given for it, for the shell: any character stands for itself.
option = $(if $(value $(2)),$(1) '$(subst ','\'',$(value $(2)))')

.PHONY: report test test-real bench lab images bundle notebooks home clean setup
.DEFAULT_GOAL := report

setup: $(VENV)/ready

$(VENV)/ready: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; say make PYTHON=python3.12, for example." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

report: setup
	@$(RUN) chatlib run $(call option,--name,NAME) $(call option,--chats,CHATS) $(call option,--channels,CHANNELS) $(call option,--limit,LIMIT) $(ARGS)

test: setup
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) pytest -m "not real" $(ARGS)

test-real: setup
	$(RUN) pytest -m real $(ARGS)

bench: setup
	@for script in tests/benchmarks/bench_*.py; do echo "== $$script"; $(VENV)/bin/python $$script || exit 1; done

lab: setup
	$(RUN) jupyterlab --ServerApp.root_dir=notebooks $(ARGS)

bundle: setup
	@$(RUN) chatlib bundle $(call option,--name,NAME)

images: setup
	@$(RUN) chatlib images

notebooks: setup
	@$(RUN) chatlib notebooks

home: setup
	$(RUN) chatlib home "$(URL)"

clean:
	rm -rf $(VENV) data/runs/sample *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
