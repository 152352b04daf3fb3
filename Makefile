# What there is to do here: run "make" to see the list. Nothing but Python 3.11 or newer, with venv, is needed for it.
# Another Python than python3: make PYTHON=/usr/bin/python3.12

PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check --quiet --quiet

.DEFAULT_GOAL := help
.PHONY: help install demo test faults history bench soak clean

help: ## show this list
	@sed -n 's/^\([a-z]*\): .*## /  make \1	/p' Makefile

install: .venv/installed ## put the monitor into .venv, ready for cron
	@.venv/bin/python -m compileall -q cli collectors config health jobs notifiers runtime storage *.py
	@echo "Installed in .venv. Next: .venv/bin/python devices.py pair hue"

demo: .venv/installed-demo ## watch it work, in a simulated house
	@.venv/bin/python -m tests.demo

test: .venv/installed-dev ## check everything: style, types, and the tests with their coverage
	.venv/bin/python -m flake8
	.venv/bin/python -m mypy
	.venv/bin/python -m pytest -m "not alone" --numprocesses=2 --dist=loadfile --cov --cov-report= --cov-fail-under=0
	.venv/bin/python -m pytest -m alone --cov --cov-append --cov-report=term

faults: .venv/installed-dev ## prove at length that nothing is lost: as root, with strace and loop devices
	FAULTS=whole .venv/bin/python -m pytest -s tests/faults tests/test_healthcheck_hangs.py

history: .venv/installed-dev ## rename a device with a million readings while both collectors run
	HISTORY=whole .venv/bin/python -m pytest -s tests/test_devices_history.py

bench: .venv/installed-dev ## measure what a cycle costs, and how much of it ten million readings are to blame for
	.venv/bin/python -m tests.benchmarks.cost
	.venv/bin/python -m tests.benchmarks.health_check
	.venv/bin/python -m tests.benchmarks.baseline
	.venv/bin/python -m tests.benchmarks.scale

soak: .venv/installed-dev ## live through days and weeks of mishaps in about an hour, as root, and write docs/soak.md
	.venv/bin/python -m tests.soak day week month report

clean: ## remove what make and Python have put here, and the demo; your readings and settings stay
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .coverage .coverage.* data/demo data/soak
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: .venv/made setup.cfg pyproject.toml
	@echo "Installing the packages it needs ..."
	@$(PIP) install --editable .
	@touch $@

# "demo" and "dev" are the extras in setup.cfg.
.venv/installed-%: .venv/made setup.cfg pyproject.toml
	@echo "Installing the packages it needs, and those of \"make $(patsubst dev,test,$*)\" ..."
	@$(PIP) install --editable ".[$*]"
	@touch $@

define NO_PYTHON
There is no Python called $(PYTHON). If yours has another name: make PYTHON=/path/to/python3
endef

define OLD_PYTHON
$(PYTHON) is $$("$(PYTHON)" --version 2>&1), and 3.11 or newer is needed. If there is one: make PYTHON=/path/to/python3.11
endef

define NO_VENV
$(PYTHON) cannot make virtual environments. On Debian and Ubuntu this helps: sudo apt-get install python3-venv
endef

.venv/made:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(NO_PYTHON)" >&2; exit 1; }
	@test "$$("$(PYTHON)" -c "import sys; print(sys.version_info >= (3, 11))")" = True || { echo "$(OLD_PYTHON)" >&2; exit 1; }
	@"$(PYTHON)" -c "import ensurepip, venv" 2>/dev/null || { echo "$(NO_VENV)" >&2; exit 1; }
	@echo "Making a virtual environment in .venv ..."
	@"$(PYTHON)" -m venv .venv
	@touch $@
