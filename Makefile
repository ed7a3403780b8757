# make setup | demo | test | test-quick | lint | bench | lock | clean
# Everything lands in .venv (and .venv-train for training); nothing else on the machine is touched,
# but for the system packages of `make test` when you are root.

PYTHON ?= python3
BIN := .venv/bin
TRAIN_BIN := .venv-train/bin
PIP_FLAGS := --quiet --disable-pip-version-check --no-input
INSTALL_SELF := install $(PIP_FLAGS) --no-deps --no-build-isolation -e .
PYTEST := $(BIN)/python -m pytest
NOT_QUICK := integration or browser or training or slow

.PHONY: help setup setup-test setup-train system-packages hapi demo test test-quick lint lint-docker bench lock clean

help:
	@echo "make setup       install what Wetread and its demo need, into .venv"
	@echo "make demo        start the demo hospital with Wetread in it, print the address"
	@echo "                 (FHIR=hapi PACS=orthanc: with real servers behind it)"
	@echo "make test        every test (installs Chromium, Orthanc and Java by apt when root)"
	@echo "make test-quick  linters and the quick tests, under a minute"
	@echo "make bench       the performance table (JSON=1 for JSON)"
	@echo "make lock        resolve the pinned requirements again"

setup: .venv/.setup

.venv/.setup: requirements/setup.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Wetread needs Python 3.11 or newer; this is " + sys.version)'
	@echo "Installing Wetread into .venv (once, about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements/setup.txt
	@$(BIN)/python -m pip $(INSTALL_SELF)
	@touch $@

setup-test: .venv/.setup-test

.venv/.setup-test: .venv/.setup requirements/test.txt
	@echo "Installing the test tools into .venv ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements/test.txt
	@touch $@

setup-train: .venv-train/.setup

.venv-train/.setup: requirements/train.txt pyproject.toml
	@echo "Installing the training tools (TensorFlow) into .venv-train ..."
	@test -x $(TRAIN_BIN)/python || $(PYTHON) -m venv .venv-train
	@$(TRAIN_BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements/train.txt
	@$(TRAIN_BIN)/python -m pip $(INSTALL_SELF)
	@touch $@

# What the tests need besides Python: commands to look for, Debian packages that bring them.
COMMANDS_browser := chromium
PACKAGES_browser := chromium fonts-dejavu-core
COMMANDS_orthanc := Orthanc
PACKAGES_orthanc := orthanc orthanc-dicomweb
COMMANDS_hapi := java javac mvn
PACKAGES_hapi := default-jdk-headless maven
SERVERS ?= browser orthanc hapi

# RUNLEVEL=1 keeps Debian from starting Orthanc as a service: the tests start their own.
# Without root the line to run is printed and the tests that need these skip, saying so.
system-packages:
	@missing=""; \
	$(foreach part,$(SERVERS),for command in $(COMMANDS_$(part)); do \
	  command -v $$command >/dev/null || missing="$$missing $(PACKAGES_$(part))"; done;) \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing$$missing ..."; \
	  apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
	  echo "Something of a browser, a real PACS or a real FHIR server is missing. To get it:"; \
	  echo "  sudo apt-get install$$missing"; \
	fi

# The jars of the real FHIR server (300 MB, once). Without Java its tests skip, saying so.
hapi: system-packages
	@tests/hapi/run --build || true

# FHIR and PACS may also be addresses of running servers.
demo: SERVERS := $(if $(filter hapi,$(FHIR)),hapi) $(if $(filter orthanc,$(PACS)),orthanc)
demo: setup system-packages
	@$(if $(FHIR)$(PACS),\
	  $(BIN)/python -m tests.with_real_servers --fhir "$(FHIR)" --pacs "$(PACS)" -- $(ARGS),\
	  $(BIN)/wetread demo $(ARGS))

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

test-quick: setup-test lint
	$(PYTEST) -q -n 3 --dist loadfile -m "not ($(NOT_QUICK))"

test: setup-test setup-train hapi lint
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not training"
	$(TRAIN_BIN)/python -m pytest -m training tests/training
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report

bench: setup-test setup-train
	@$(BIN)/python -m bench $(if $(JSON),--json)

# uv writes requirements files without registry addresses; its own lock file would name them.
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml
lock: setup
	@$(BIN)/python -m pip install $(PIP_FLAGS) uv
	$(UV_COMPILE) --extra build -o requirements/serve.txt
	$(UV_COMPILE) --extra build --extra demo -c requirements/serve.txt -o requirements/setup.txt
	$(UV_COMPILE) --extra build --extra demo --extra test -c requirements/setup.txt -o requirements/test.txt
	$(UV_COMPILE) --extra build --extra train -c requirements/test.txt -o requirements/train.txt
	echo 'onnxruntime-gpu[cuda,cudnn]' | $(subst pyproject.toml,-,$(UV_COMPILE)) -c requirements/serve.txt -o requirements/gpu.txt

clean:
	rm -rf .venv .venv-train .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis var
