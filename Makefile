# Two commands do everything on a machine that has Python, git and make: `make report` and `make test`.
PYTHON ?= python3
PROFILE ?= quick
VENV := .venv
BIN := $(VENV)/bin

# `make report NAME=value` hands these on as parameters; any other as SET="name=value name=value". A value reaches the
# command as it was given: neither make nor the shell reads it (`value` expands nothing, `quoted` is one shell word, and
# what make exports it expands first).
NAMES := authentic verifier teacher protocol protocol_faces evaluation_folds min_images show_authentic_images
NAMES += synthetic identity_order control control_split held_out held_out_split train baseline_model
upper = $(shell echo $(1) | tr a-z A-Z)
quoted = '$(subst ','\'',$(1))'
given = $(value $(call upper,$(1)))
unexport $(foreach name,$(NAMES),$(call upper,$(name))) SET FROM OUT PROFILE
SETTINGS := $(foreach name,$(NAMES),$(if $(call given,$(name)),--set $(call quoted,$(name)=$(call given,$(name)))))
SETTINGS += $(foreach pair,$(value SET),--set $(call quoted,$(pair)))
SETTINGS += $(if $(value OUT),--out $(call quoted,$(value OUT)))
FROM_STAGE := $(if $(value FROM),--from $(call quoted,$(value FROM)))

.PHONY: report lab figures test test-fast nightly lint notebooks bench simulate clean

report: $(VENV)/installed
	$(BIN)/sface report --profile $(call quoted,$(value PROFILE)) $(FROM_STAGE) $(SETTINGS)

# The notebooks in JupyterLab, copied into a run folder.
lab: $(VENV)/installed
	$(BIN)/sface lab --profile $(call quoted,$(value PROFILE)) $(SETTINGS)

# The figures that the README shows, from a run of the `quick` profile.
figures: $(VENV)/installed
	$(BIN)/sface report --profile quick --out runs/figures
	cd runs/figures/figures && cp 01_data.training_faces.png 02_generation.side_by_side.png 05_evaluation.accuracy.png \
		../../../figures/

# A process for each core, of one thread each; a file's tests stay together, as they share what is slow to make.
test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST)

# What a change is tested with while it is made.
test-fast: override PYTEST += -m "not (nightly or slow or processes or render or real or browser)"
test-fast: test

# What is too slow for every change.
nightly: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m nightly

lint: $(VENV)/installed-dev
	$(BIN)/ruff check sface_lib tests notebooks
	$(BIN)/ruff format --check sface_lib tests notebooks
	$(BIN)/nbstripout --verify notebooks/*.ipynb

# The `parameters` cells of the notebooks, from the chapters' models.
notebooks: $(VENV)/installed-dev
	$(BIN)/python -m sface_lib.chapters.notebooks notebooks
	$(BIN)/nbstripout notebooks/*.ipynb

# Tables of docs/speed.md; -O because the peer's assertions refuse bf16 on a processor.
bench: $(VENV)/installed-dev
	$(BIN)/python -O tests/benchmarks/bench.py $(ONLY)

simulate: $(VENV)/installed-dev
	$(BIN)/python tests/simulations/simulate.py $(ONLY)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) runs
