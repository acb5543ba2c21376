# One word for everything a person or CI does with this project; `make` alone lists them.
#
# Each environment is made once from a lock file and again when that file changes.
# A line or two stand here; what takes more lies in scripts/.

.DEFAULT_GOAL := help
.PHONY: help demo test chaos check train bench home-assistant lock clean
MAKEFLAGS += --no-builtin-rules

# Options for the commands: make demo ARGS="--seconds 30", make test ARGS="-k settings -x"
ARGS ?=
# make train: labelled crops in DATA/{empty,occupied}, the bundle goes to OUT. The shipped one:
#   make train DATA=../shared/data/A_train_pool ARGS=--no-pictures
DATA ?=
OUT ?= models/default
# make bench: the settings to measure.
CONFIG ?= config.yaml

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready ## watch a simulated cabinet: camera, model, broker, live view
	@.venv/bin/slotwatch demo $(ARGS)

test: ## install what the tests need, run all of them, say what was left out
	@scripts/test $(ARGS)

chaos: .venv-dev/ready ## kills, outages, damage and fools in full, each with its figures: takes hours, make test a tenth
	@scripts/system-packages mosquitto
	@SLOTWATCH_CHAOS=full .venv-dev/bin/python -m pytest -s tests/chaos $(ARGS)

check: .venv-dev/ready ## format, lint and types, as CI demands them
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	.venv-dev/bin/mypy

train: .venv-dev/ready ## labelled crops (and the simulator's) to a model bundle: make train DATA=... OUT=models/...
	@scripts/train "$(DATA)" "$(OUT)" $(ARGS)

bench: .venv-dev/ready ## speed on this machine, beside other runtimes and its limits: ARGS=--write for docs/
	@scripts/python 3.11 >/dev/null 2>&1 && $(MAKE) --no-print-directory .venv-tflite/ready || true
	@.venv-dev/bin/python -m benchmarks.speed --config "$(CONFIG)" $(ARGS)

home-assistant: .venv-dev/ready .venv-home-assistant/ready ## try what is announced with a real Home Assistant (needs Python 3.12)
	@scripts/system-packages mosquitto
	@SLOTWATCH_HOME_ASSISTANT=run .venv-dev/bin/python -m pytest tests/home_assistant $(ARGS)

lock: .venv-lock/ready ## resolve the newest versions and write requirements/*.txt
	@scripts/lock

clean: ## remove the environments, caches and build outputs (not state/ and runs/)
	rm -rf .venv .venv-dev .venv-tflite .venv-lock .venv-home-assistant .cache .mypy_cache \
		.pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find edge trainer tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements/device.txt pyproject.toml
	@scripts/environment .venv requirements/device.txt

.venv-dev/ready: requirements/dev.txt pyproject.toml
	@scripts/environment .venv-dev requirements/dev.txt

.venv-tflite/ready: requirements/tflite-runtime.txt
	@scripts/environment .venv-tflite requirements/tflite-runtime.txt 3.11

.venv-home-assistant/ready: requirements/home-assistant.txt
	@scripts/environment --no-deps .venv-home-assistant requirements/home-assistant.txt 3.12

.venv-lock/ready: requirements/lock.txt
	@scripts/environment .venv-lock requirements/lock.txt
