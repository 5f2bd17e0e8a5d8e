# Few, memorable targets; each only sets up and calls the command line or pytest.
PY := .venv/bin/python
ECG := .venv/bin/ecgdeploy

.PHONY: demo docs test test-linux-system test-linux-boards lint chaos fuzz clean

demo: ## real ECG through an emulated Nano 33 BLE, ending in a table
	@scripts/setup.sh demo
	@$(ECG) demo

test: ## lint, types, unit, property and hardware-in-the-loop tests (emulated)
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory lint
	ECGDEPLOY_OFFLINE=1 $(PY) -m pytest -n 2

test-linux-system: ## deploy to an emulated board with Debian's kernel, systemd and SSH: measure, and every fault
	@scripts/setup.sh test
	ECGDEPLOY_LINUX_SYSTEM=1 $(PY) -m pytest -p no:xdist host/tests/linux_system/test_deployment.py -rs

test-linux-boards: ## the program on an emulated Raspberry Pi's UART and behind an emulated USB gadget
	@scripts/setup.sh test
	ECGDEPLOY_LINUX_SYSTEM=1 $(PY) -m pytest -p no:xdist host/tests/linux_system/test_lines.py -rs

docs: ## the reference pages, rendered from the code
	@$(PY) -m ecgdeploy.cli.reference

lint:
	@$(PY) -m ruff check host hil_tests
	@$(PY) -m mypy

chaos: ## the link behind a line that fails in every way; last line one JSON object
	@scripts/setup.sh test
	@$(PY) -m ecgdeploy.devices.chaos

fuzz: ## the firmware's parser and application under libFuzzer and sanitizers, a minute each
	@scripts/setup.sh test
	@$(PY) -m ecgdeploy.devices.fuzz

clean:
	rm -rf build runs .pytest_cache .mypy_cache .ruff_cache
