# Every target has three lines at most; what takes more is in infra/local/cloud.py. `make help` lists the targets.

PYTHON ?= python3
CLOUD := $(PYTHON) infra/local/cloud.py
TOOLS := $(CURDIR)/.local/tools/venv/bin

# The program that plays Terraform: OpenTofu is taken where there is no Terraform.
TERRAFORM ?= $(shell command -v terraform || command -v tofu || echo terraform)

# A catalog of your own for the local cloud, such as CATALOG=my.toml. `make up` remembers it; CATALOG= takes it back.
ifneq ($(origin CATALOG),undefined)
export LOCAL_CATALOG := $(CATALOG)
endif

# Processor of the functions on AWS (arm64 or x86_64), and the variables of the stack there.
ARCH ?= arm64
VARS ?= infra/terraform.tfvars
AWS_VARIABLES = -var-file='$(abspath $(VARS))' -var architecture=$(ARCH) \
  -var detector_package='$(CURDIR)/target/lambda-$(ARCH)/anomaly-detection/bootstrap.zip' \
  -var api_package='$(CURDIR)/target/lambda-$(ARCH)/anomaly-api/bootstrap.zip' \
  -var notifier_package='$(CURDIR)/target/lambda-$(ARCH)/anomaly-notifier/bootstrap.zip'

# The programs are looked for in this folder, so a shared target folder of the user's would not do.
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
# The steps of a target build on each other, also under `make -j`; Cargo uses all processors anyway.
.NOTPARALLEL:
.PHONY: help setup build build-release up down purge status demo demo-flights demo-executions demo-qa demo-traces demo-machines watch fmt docs advisories lint lint-terraform test unit e2e soak bench bench-large bench-cluster bench-detection bench-quality \
  ready ready-for-demo ready-for-aws plan deploy package-for-aws release check-release

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Check what the machine must have, and fetch the pinned tools into .local/tools
	@$(CLOUD) setup

build: ## Build the functions for the local cloud with the dashboard, and the command line program `meterflow`
	@$(PYTHON) tools/checks package

build-release: setup ## The same as they are deployed to AWS, optimised: minutes more, and into target/release
	cargo build --release -p detector -p api -p notifier -p meterflow
	@LOCAL_BUILD=release $(CLOUD) package

up: ready setup build ## Start the local cloud and deploy the stack into it (CATALOG=… for metrics of your own); it prints the dashboard's address
	@$(CLOUD) up

ready-for-demo: # The demo is about the built-in metrics.
	@$(CLOUD) ready --built-in-catalog

ready: # Looks for what would stop `make up` after minutes of compiling.
	@$(CLOUD) ready

down: ## End the local cloud; its data stay
	@$(CLOUD) down

purge: ## End the local cloud and delete its data
	@$(CLOUD) down --purge

status: ## Show what of the local cloud runs
	@$(CLOUD) status

demo: ready-for-demo up ## From nothing to found anomalies: seed customers, run the deployed detector, show what it found (LIVE=1: usage goes on)
	@$(CLOUD) run -- $(TOOLS)/python examples/demo/demo.py $(if $(LIVE),--live)

demo-flights: up ## The same on real data: the flights that left New York in 2013
	@$(CLOUD) run -- $(TOOLS)/python examples/flights/flights.py

demo-executions: up ## A fleet of workflows: each planted execution told within seconds of its event, the rest by the run of the hour
	@$(CLOUD) run -- $(TOOLS)/python examples/executions/executions.py

demo-qa: up ## Test suites: failures, slow runs and unusual times, told within seconds or by the run of the hour
	@$(CLOUD) run -- $(TOOLS)/python examples/qa/qa_runs.py

demo-traces: up ## The spans of this system's own API and detector: a slow and a failing dependency, refused requests, a stolen token
	@$(CLOUD) run -- $(TOOLS)/python examples/traces/traces.py

demo-machines: up ## A fleet of machines and this machine itself: a busy processor, a memory leak, lost packets, a slow or silent network
	@$(CLOUD) run -- $(TOOLS)/python examples/machines/machines.py

watch: up ## Run the detector from source against the local cloud, rebuilt at each change (port 9100)
	@$(CLOUD) run --as-detector -- $(TOOLS)/cargo-lambda lambda watch -p detector -A 127.0.0.1 -P 9100

invoke-%: ## Invoke the local detector with events/detector-NAME.json (TIME=… for another hour), API and notifier with api-NAME, notifier-NAME
	@$(CLOUD) invoke $(if $(TIME),--time="$$TIME") $*

fmt: ## Format Rust and Terraform
	cargo fmt --all
	$(TERRAFORM) fmt -recursive infra
	$(TERRAFORM) fmt -recursive examples

docs: setup build ## Write the documents that are made from the code: the API, the Slack message, the configuration, the costs
	@$(TOOLS)/python tools/docs.py

test: ## Everything that CI runs, side by side; `python3 tools/checks --list` names the parts
	@$(PYTHON) tools/checks

lint-terraform: ## checkov on the Terraform files (the first time it is fetched: 290 MB)
	@$(PYTHON) tools/lint_terraform.py

lint unit: ## Clippy on everything (a warning is an error); the tests that need no cloud
	@$(PYTHON) tools/checks $@

e2e: ## The end-to-end tests, on a cloud of their own that is deleted afterwards
	@$(PYTHON) tools/checks e2e deployed

check-%: ## One of the other parts, such as check-terraform or check-docs
	@$(PYTHON) tools/checks $*

advisories: setup ## Store the newest database of advisories, with which `make check-advisories` compares
	@$(TOOLS)/python tools/advisories/stored.py update

soak: ## Incident handling over 100,000 simulated schedules (an hour)
	SIMULATION_SEEDS=100000 cargo test -p simulation -- --nocapture

bench: setup build-release ## Every promised figure beside its goal, on a cloud of its own (10 minutes; PARTS='starts loop neighbours finished machines sizes dashboard chaos storm' chooses)
	@TEST_BUILD=release $(CLOUD) run --temporary -- $(PYTHON) bench/parts.py $(PARTS)

bench-large: setup build-release ## The same for a million customers (half an hour, 15 GB of disk; PARTS=storm: a storm of 200,000)
	@TEST_BUILD=release $(CLOUD) run --temporary -- cargo bench -p bench --bench figures -- --large $(PARTS)

bench-cluster: setup build-release ## The work of a sweep on one, two and four shards of ClickHouse (minutes)
	@TEST_BUILD=release $(CLOUD) run --temporary -- $(PYTHON) bench/parts.py cluster

bench-detection: ## What the detector finds, misses and pages in generated months, beside other rules; writes into docs/detection.md (minutes)
	cargo build --quiet --profile bench -p detection --example speed
	cargo run --quiet -p bench --bin detection -- --write docs --speed target/release/examples/speed

bench-quality: ## What the rules for entities find in public records of the folder DATA=…; writes into docs/quality.md
	cargo run --quiet -p fleet --bin quality -- --data '$(or $(DATA),$(error DATA is missing: the folder of the records of docs/quality.md))' --write docs

release: setup ## Build all files of a release that this machine can build, into target/release-files (ONLY='linux-x86_64 functions-arm64' chooses)
	@$(TOOLS)/python tools/release build $(if $(ONLY),--only $(ONLY))

check-release: setup ## Build the commit twice, at two places, and compare the bytes (an hour; ONLY=… chooses)
	@$(TOOLS)/python tools/release twice $(if $(ONLY),--only $(ONLY))

package-for-aws: setup # Builds the functions for AWS; cargo-lambda finds its cross compiler beside it.
	PATH="$(TOOLS):$$PATH" cargo lambda build --release --$(subst _,-,$(ARCH)) -o zip -l target/lambda-$(ARCH) -p detector -p api -p notifier
	@$(CLOUD) add-dashboard target/lambda-$(ARCH)/anomaly-api/bootstrap.zip

ready-for-aws: # Looks for what would stop `make plan` and `make deploy` after minutes of compiling.
	@$(CLOUD) ready-for-aws --vars '$(VARS)' --arch '$(ARCH)'

plan: ready-for-aws package-for-aws ## Show what `make deploy` would change on AWS (ARCH=arm64 VARS=infra/terraform.tfvars)
	$(TERRAFORM) -chdir=infra plan $(AWS_VARIABLES)

deploy: ready-for-aws package-for-aws ## Deploy to AWS, after showing the plan and asking (ARCH=arm64 VARS=infra/terraform.tfvars)
	$(TERRAFORM) -chdir=infra apply $(AWS_VARIABLES)
