# make test        lint, types and tests with the original MMDetection, mmcv-lite and MMEngine
# make test-onedl  the same tests with the OneDL forks
# make demo        a teacher, a student and a distilled student in minutes
# make lint        ruff, its formatting, and mypy
# Environments are built on first use and rebuilt when setup.py changes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV ?= .venv
VENV_ONEDL ?= .venv-onedl
# Outside both environments, so that pip never takes the links for packages of its own.
LINKS := .venv-torch
TORCH := torch==2.14.1 torchvision==0.29.1
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: venv venv-onedl test test-onedl lint demo

venv: $(VENV)/.installed
venv-onedl: $(VENV_ONEDL)/.installed

$(VENV)/.installed: setup.py
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	printf '%s\n' $(TORCH) > $(VENV)/constraints.txt
	$(VENV)/bin/python -m pip install -q $(TORCH)
	$(VENV)/bin/python -m pip install -q -c $(VENV)/constraints.txt -e '.[openmmlab,test,dev]'
	touch $@

# onedl-mmcv is a source distribution: built in isolation, where there is no torch, it compiles
# no operations, which would take half an hour.
$(VENV_ONEDL)/.installed: setup.py .ci/link_torch.py | $(VENV)/.installed
	test -x $(VENV_ONEDL)/bin/python || $(VENV)/bin/python -m venv $(VENV_ONEDL)
	$(VENV)/bin/python .ci/link_torch.py $(LINKS) $(VENV_ONEDL)/constraints.txt
	site=$$($(VENV_ONEDL)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	    echo '$(CURDIR)/$(LINKS)' > "$$site/torch_stack.pth"
	$(VENV_ONEDL)/bin/python -m pip install -q -c $(VENV_ONEDL)/constraints.txt -e '.[onedl,test]'
	touch $@

# Two processes of one thread: the tests' models are tiny, and more threads wait for each other.
test test-onedl: export OMP_NUM_THREADS := 1
# They start dozens of others, which read what the first has compiled.
test test-onedl: export PYTHONDONTWRITEBYTECODE :=

test: lint
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

test-onedl: venv-onedl
	$(VENV_ONEDL)/bin/python -m pytest $(PYTEST_ARGS)

lint: venv
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

demo: venv
	$(VENV)/bin/python tools/demo.py $(DEMO_ARGS)
