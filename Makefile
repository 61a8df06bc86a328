# The commands of the project. `make up` and `make test` need nothing but a Debian machine with Rust.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

STACK ?= stacks/shop.toml
target = $(or $(CARGO_TARGET_DIR),target)

.PHONY: help
help: ## Says what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

.PHONY: up
up: build ## Builds everything and runs the shop's whole pipeline on this machine (ARGS="--for 60s" to stop by itself)
	@$(target)/debug/lakewright up $(STACK) $(ARGS)

.PHONY: build
build: tools ## Builds the three programs
	@cargo build --workspace

.PHONY: test
test: tools test-tools build ## Runs every test: Rust, the account with AWS's own clients, the pipeline end to end
	@cargo test --workspace
	@tests/run.sh

.PHONY: stream-spark
stream-spark: tools test-tools ## Makes the stream job for Spark, target/stream-spark/lakewright-stream.jar, by Maven
	@tests/spark/real-spark.sh stream $(abspath $(target)/stream-spark)

.PHONY: test-hosts
test-hosts: tools test-tools build ## Boots a host from a plan's user data on real systemd and cloud-init, as root (mmdebstrap, systemd-container)
	@$${XDG_CACHE_HOME:-$$HOME/.cache}/lakewright/venv/bin/python -m pytest -q -p no:cacheprovider --timeout=900 tests/hosts

.PHONY: lint
lint: tools ## Checks formatting, lints, dependencies and generated documentation
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@tests/generated.sh check

.PHONY: docs
docs: build ## Writes the generated documentation anew
	@tests/generated.sh write

.PHONY: tools
tools: ## Installs what building needs, as root; otherwise says how
	@tests/tools.sh build

.PHONY: test-tools
test-tools: ## Installs what the tests need besides: Python packages, Java for the real Kafka
	@tests/tools.sh test
