# "make" lists what can be made here. All it needs is Python 3.11 or newer, with venv.
# If your Python is not called python3: make PYTHON=/usr/bin/python3.12

PYTHON ?= python3
VENV = .venv
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet
# The versions that were tested, and an editable install by a plain path file: setuptools' own way puts an import hook
# into site-packages, for which every start of Python pays.
TESTED = --constraint constraints.txt
EDITABLE = --config-settings editable_mode=compat --editable
ROOMS = cli collectors config health jobs notifiers publishers runtime storage

.DEFAULT_GOAL := help
.PHONY: help install update demo picture uplot test newest matrix faults publishers history bench mutants soak clean

help: ## show this list
	@sed -n 's/^\([a-z]*\): .*## /  make \1	/p' Makefile

install: sound ## put the monitor into .venv, ready for cron; repairs it after an update of Python
	@$(MAKE) --no-print-directory .venv/installed
	@.venv/bin/python -m compileall -q $(ROOMS) *.py
	@.venv/bin/python -I -B cli/environment.py .venv --prove
	@.venv/bin/python devices.py init
	@echo "Installed in .venv, with Python $$(.venv/bin/python -c 'import platform; print(platform.python_version())')."

update: ## fetch and install the newest version; your settings stay, and what fails is undone
	@"$(PYTHON)" -I -B cli/update.py

demo: sound ## watch it work, in a simulated house
	@$(MAKE) --no-print-directory .venv/installed-demo
	@.venv/bin/python -m tests.demo

picture: .venv/installed-dev demo ## draw docs/page.png, the page of the demo, with Chromium
	@.venv/bin/python -m tests.picture

UPLOT = 1.6.32
uplot: ## renew the library that draws the charts of the page, at the version above
	curl -fsS https://registry.npmjs.org/uplot/-/uplot-$(UPLOT).tgz | tar -xzO package/LICENSE > publishers/page/uplot/LICENSE
	curl -fsS https://registry.npmjs.org/uplot/-/uplot-$(UPLOT).tgz | tar -xz -C publishers/page/uplot --strip-components=2 \
		package/dist/uPlot.iife.min.js package/dist/uPlot.min.css

# A stamp shows what make has done, not what has become of it since.
.PHONY: sound
sound:
	@$(CHECK_PYTHON)
	@"$(PYTHON)" -I -B cli/environment.py $(VENV)

test: sound ## check everything: style, imports, types, and the tests with their coverage
	@$(MAKE) --no-print-directory .venv/installed-dev
	.venv/bin/ruff check
	.venv/bin/lint-imports --no-cache
	.venv/bin/python -m mypy
	.venv/bin/python -m mypy --platform darwin
	.venv/bin/python -m pytest -m "not alone" --numprocesses=3 --dist=loadfile --cov --cov-report= --cov-fail-under=0
	.venv/bin/python -m pytest -m alone --cov --cov-append --cov-report=term

newest: ## run the tests with the newest version of every package, in .venv-newest
	@$(MAKE) --no-print-directory VENV=.venv-newest .venv-newest/made
	.venv-newest/bin/python -m pip --disable-pip-version-check install --quiet --upgrade --upgrade-strategy eager $(EDITABLE) ".[dev]"
	.venv-newest/bin/python -m pytest -m "not alone" --numprocesses=2 --dist=loadfile
	.venv-newest/bin/python -m pytest -m alone

matrix: ## run the tests on every Python of this machine, and on Debian's newest (as root), and write docs/platforms.md
	@$(PYTHON) -m tests.matrix

faults: .venv/installed-dev ## prove at length that nothing is lost: as root, with strace and loop devices
	FAULTS=whole .venv/bin/python -m pytest -s tests/faults tests/test_healthcheck_hangs.py

home-assistant: .venv/installed-dev .venv-home-assistant/bin/hass ## let a real Home Assistant find the rooms (needs mosquitto)
	HOME_ASSISTANT=.venv-home-assistant/bin/hass .venv/bin/python -m pytest tests/publishers/test_home_assistant.py

HOME_ASSISTANT_PYTHON ?= python3.14
HOME_ASSISTANT_VERSION ?= 2026.11.0
.venv-home-assistant/bin/hass:
	$(HOME_ASSISTANT_PYTHON) -m venv .venv-home-assistant
	.venv-home-assistant/bin/python -m pip install --quiet --prefer-binary homeassistant==$(HOME_ASSISTANT_VERSION) "paho-mqtt>=2"

publishers: .venv/installed-dev ## prove the publishers at length: kills, crashes, a hundred houses, a year on the page
	PUBLISHERS=whole PAGE=whole .venv/bin/python -m pytest -s tests/publishers

history: .venv/installed-dev ## rename a device with a million readings while both collectors run
	HISTORY=whole .venv/bin/python -m pytest -s tests/test_devices_history.py

bench: .venv/installed-dev ## measure what a cycle costs, also with ten million readings stored
	.venv/bin/python -m tests.benchmarks.cost
	.venv/bin/python -m tests.benchmarks.health_check
	.venv/bin/python -m tests.benchmarks.baseline
	.venv/bin/python -m tests.benchmarks.scale
	.venv/bin/python -m tests.benchmarks.readings
	.venv/bin/python -m tests.benchmarks.postgres

mutants: .venv/installed-dev ## put small faults into the source, one at a time, and list those that no test notices
	.venv/bin/python -m tests.mutants

soak: .venv/installed-dev ## run days and weeks of mishaps in about an hour, as root, and write docs/soak.md
	.venv/bin/python -m tests.soak day week month report

clean: ## remove what make and Python have put here, and the demo; your readings and settings stay
	rm -rf .venv .venv-newest .venv-matrix build *.egg-info .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* data/demo data/soak
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: .venv/made setup.cfg pyproject.toml constraints.txt
	@echo "Installing the packages it needs ..."
	@$(PIP) install $(TESTED) $(EDITABLE) .
	@touch $@

# "demo" and "dev" are the extras in setup.cfg.
.venv/installed-%: .venv/made setup.cfg pyproject.toml constraints.txt
	@echo "Installing the packages it needs, and those of \"make $(patsubst dev,test,$*)\" ..."
	@$(PIP) install $(TESTED) $(EDITABLE) ".[$*]"
	@touch $@

define NO_PYTHON
There is no Python called $(PYTHON). If yours has another name: make PYTHON=/path/to/python3
endef

define OLD_PYTHON
$(PYTHON) is $$("$(PYTHON)" --version 2>&1), and 3.11 or newer is needed. If you have one: make PYTHON=/path/to/python3.11
endef

define NO_VENV
$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: sudo apt-get install python3-venv
endef

define CHECK_PYTHON
command -v "$(PYTHON)" >/dev/null || { echo "$(NO_PYTHON)" >&2; exit 1; }; \
test "$$("$(PYTHON)" -c "import sys; print(sys.version_info >= (3, 11))")" = True || { echo "$(OLD_PYTHON)" >&2; exit 1; }
endef

$(VENV)/made:
	@$(CHECK_PYTHON)
	@"$(PYTHON)" -c "import ensurepip, venv" 2>/dev/null || { echo "$(NO_VENV)" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@
