# Every path is relative: the checkout may lie under a path with spaces.
.DEFAULT_GOAL := help
.PHONY: help bootstrap run test slow chaos soak fuzz mutants bench docs check format sbom audit lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

bootstrap: ## Install everything into .venv (the other targets do it by themselves)
	@sh scripts/bootstrap

run: bootstrap ## Run the whole platform on this machine; ARGS="--port-base 18000" passes options
	@exec .venv/bin/paysaga dev $(ARGS)

test: bootstrap ## Run the tests; ARGS="-k refund" passes options to pytest
	@exec .venv/bin/python -m pytest -n 2 --dist worksteal $(ARGS)

slow: bootstrap ## Run the tests that take minutes each: the same promises, in larger numbers
	@exec .venv/bin/python -m pytest -m slow -n 2 --dist worksteal $(ARGS)

chaos: bootstrap ## Kill everything under load and check every promise; ARGS="--full" or ARGS="--seed 7"
	@exec .venv/bin/python -m tests.chaos $(ARGS)

soak: bootstrap ## Pay five payments a second for half an hour, and watch memory and queues; ARGS="5 10": 5 minutes, 10/s
	@exec .venv/bin/python -m bench.soak $(ARGS)

fuzz: bootstrap ## Ask all routes ten thousand things made up from the OpenAPI; ARGS="--seed 7"
	@exec .venv/bin/python -m tests.fuzz $(ARGS)

mutants: bootstrap ## Take the guards away one by one and see a test fail each time; ARGS="lease-ignored" names some
	@exec .venv/bin/python -m tests.mutants $(ARGS)

bench: bootstrap ## Measure how fast webhooks leave, alone and beside hostile receivers
	@exec .venv/bin/python -m bench.receivers $(ARGS)

docs: bootstrap ## Build the documents as a site in docs/_build/html
	@exec .venv/bin/python -m docs.site

check: bootstrap ## Check format, style, types, import contracts, and for known weaknesses
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m ruff check
	.venv/bin/python -m mypy
	.venv/bin/lint-imports
	.venv/bin/python -m bandit --quiet --recursive --configfile pyproject.toml .

format: bootstrap ## Format the code and sort its imports
	.venv/bin/python -m ruff check --select I --fix
	.venv/bin/python -m ruff format

sbom: bootstrap ## List what the product is made of, with licences, in dist/sbom.json (CycloneDX)
	@exec .venv/bin/python scripts/supply.py sbom $(ARGS)

audit: bootstrap ## Ask the package index for known holes in what is locked
	@exec .venv/bin/python scripts/supply.py audit

lock: ## Choose the newest allowed versions of all dependencies and write requirements.lock
	@sh scripts/bootstrap uv pip compile pyproject.toml --quiet --universal --generate-hashes --group dev \
		--python-version 3.11 --no-header --no-emit-index-url --upgrade --output-file requirements.lock

clean: ## Remove what the tools made: .venv and caches; the data in .paysaga stays
	rm -rf .venv .bootstrap .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist docs/_build
	find . -name __pycache__ -not -path './.paysaga/*' -prune -exec rm -rf {} +
