"""What the site is made of: its checks find mistakes, its generators leave nothing out."""

import json
import re
import zlib
from pathlib import Path
from types import ModuleType

import check_site
import generated_pages
import numpy as np
import paint_page
import plain_docstrings
import pytest
import source_links

import keras_style

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.py"))

PAGE = '<a href="{link}">there</a><img src="picture.png" alt="a picture"><h2 id="place">Place</h2>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of two pages with which nothing is wrong."""
    (tmp_path / "index.html").write_text(PAGE.format(link="other.html#place"))
    (tmp_path / "other.html").write_text(PAGE.format(link="#place"))
    (tmp_path / "picture.png").touch()
    (tmp_path / "site.css").write_text("body { background: url(picture.png) }")
    names = [
        f"{package}.{name} py:class 1 api.html#$ -"
        for package in generated_pages.PACKAGES
        for name in generated_pages.public_names(package)
    ]
    head = b"# Sphinx inventory version 2\n# Project: x\n# Version: 1\n# zlib\n"
    (tmp_path / "objects.inv").write_bytes(head + zlib.compress("\n".join(names).encode()))
    return tmp_path


def test_a_site_without_mistakes_passes(site):
    assert list(check_site.problems(site)) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (PAGE.format(link="nowhere.html"), "nowhere.html leads nowhere"),
        (PAGE.format(link="other.html#nothing"), "other.html#nothing: the page has no such place"),
        (PAGE.format(link="#nothing"), "#nothing: the page has no such place"),
        ('<img src="lost.png" alt="lost">', "lost.png leads nowhere"),
        ('<img src="picture.png" alt=" ">', "picture.png has no text for those who cannot see it"),
        ('<img src="picture.png">', "picture.png has no text"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js, from another origin"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org/x.css, from another origin"),
    ],
)
def test_mistakes_of_a_page_are_found(site, text, complaint):
    (site / "index.html").write_text(text)
    (found,) = check_site.problems(site)
    assert found.startswith("index.html: ") and complaint in found


def test_other_origins_in_style_sheets_and_missing_names_are_found(site):
    (site / "site.css").write_text("@font-face { src: url('https://example.org/font.woff2') }")
    text = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4])
    head = b"# Sphinx inventory version 2\n# Project: x\n# Version: 1\n# zlib\n"
    kept = b"\n".join(line for line in text.splitlines() if not line.startswith(b"keras_style.losses.GramLoss "))
    (site / "objects.inv").write_bytes(head + zlib.compress(kept))
    assert list(check_site.problems(site)) == [
        "site.css: loads https://example.org/font.woff2, from another origin",
        "API: keras_style.losses.GramLoss is not described",
    ]


def test_links_of_people_to_elsewhere_are_fine(site):
    (site / "index.html").write_text('<a href="https://example.org/paper">a paper</a>')
    assert list(check_site.problems(site)) == []


# Pages from the package


def test_every_public_package_has_a_page():
    public = {name for name in keras_style.__all__ if isinstance(getattr(keras_style, name), ModuleType)}
    assert {f"keras_style.{name}" for name in public} <= generated_pages.PACKAGES.keys()
    for package in generated_pages.PACKAGES:
        page = generated_pages.api_page(package)
        described = re.findall(r"^\.\. auto\w+:: (\S+)$", page, re.MULTILINE)
        assert described and {*described} == {f"{package}.{name}" for name in generated_pages.public_names(package)}


def test_errors_are_all_of_them():
    import inspect

    from keras_style import errors

    expected = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert {*generated_pages.public_names("keras_style.errors")} == expected


def test_docstrings_stay_what_they_are():
    lines = [
        "Mean |x - y|^2 over *all* pairs of `a_b`.",
        "",
        "| name | k(x, y) |",
        "|---|---|",
        '| "g" | exp(-|x|) |',
        "",
    ]
    lines += ["Args:", "    style_weight: a number.", "", "Example:", "    >>> f(*a, **b)", "", "Reference: Li et al.,"]
    lines += ["    IJCAI."]
    assert plain_docstrings.rewritten(lines) == [
        r"Mean \|x - y\|^2 over \*all\* pairs of `a_b`.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - name",
        "     - k(x, y)",
        '   * - "g"',
        r"     - exp(-\|x\|)",
        "",
        "",
        "Args:",
        r"    style\_weight: a number.",
        "",
        "Example:",
        "    >>> f(*a, **b)",
        "",
        "Reference: Li et al.,",
        "IJCAI.",
    ]


def test_links_out_of_the_pages_lead_to_the_repository():
    lost = []
    text = "[a](../configs) [b](methods.md#x) [c](https://example.org) ![d](d.jpg) [e](../README.md#f) [g](../no.py)"
    source = source_links.SOURCE
    assert source_links.rewritten(text, DOCS, DOCS, lost) == (
        f"[a]({source}/tree/main/configs) [b](methods.md#x) [c](https://example.org) ![d](d.jpg) "
        f"[e]({source}/blob/main/README.md#f) [g]({source}/blob/main/no.py)"
    )
    assert lost == ["../no.py"]


# The page that paints


def test_the_page_paints_with_the_painter_that_it_is_given(tmp_path):
    painter = keras_style.models.Painter({"mine (2.0) - b": "one line", "a_b": "another"}, (4, 4, 4), 1, (4, 4), seed=0)
    random = np.random.default_rng(0)
    rows = random.normal(1, 0.3, painter.table.rows.shape).astype(np.float32)
    painter.table.replace(rows, painter.table.sketches.numpy())
    photograph = random.random((40, 60, 3), np.float32)
    made, runtime, target = tmp_path / "made", tmp_path / "runtime", tmp_path / "site"
    paint_page.write_painter(painter, photograph, made)
    runtime.mkdir()
    for file in {file for files in paint_page.ENGINES.values() for file in files}:
        (runtime / file).write_text(file)
    (target / "thumbnails").mkdir(parents=True)
    (target / "thumbnails" / "7.jpg").touch()  # of a style that is gone
    paint_page.write_page(made, paint_page.PROGRAMS, runtime, paint_page.EXAMPLE, target)

    described = json.loads((target / "styles.json").read_text())
    assert [(each["name"], each["title"], each["line"]) for each in described["styles"]] == [
        ("mine (2.0) - b", "mine (2.0) - b", "one line"),
        ("a_b", "a b", "another"),
    ]
    thumbnails = [keras_style.images.load(target / each["thumbnail"]) for each in described["styles"]]
    assert [*(each.shape for each in thumbnails)] == [(107, 160, 3)] * 2 and np.ptp(thumbnails[0] - thumbnails[1]) > 0.1
    assert len([*(target / "thumbnails").iterdir()]) == 2 and (target / described["example"]).is_file()
    assert {name: (target / name).stat().st_size for name in described["bytes"]} == described["bytes"]
    engine = (target / "webgpu" / "engine.wasm").read_text()
    assert engine == "ort-wasm-simd-threaded.asyncify.wasm" and set(described["bytes"]) > {"painter.onnx"}
    assert {"page.mjs", "worker.mjs", "service_worker.js", "paint.css"} <= {each.name for each in target.iterdir()}

    import onnxruntime

    session = onnxruntime.InferenceSession(target / "painter.onnx", providers=["CPUExecutionProvider"])
    inputs = {"image": photograph[None], "style_weights": np.float32([1, 3])}
    expected = painter.paint(photograph, [*painter.styles], style_blend=[1, 3]).array
    np.testing.assert_allclose(session.run(["translated"], inputs)[0][0], expected, atol=1e-4)


def test_the_page_that_paints_names_no_style():
    names = keras_style.models.Painter.from_preset("painters").styles
    for file in [*paint_page.PROGRAMS.iterdir(), DOCS / "paint" / "index.md"]:
        assert not [name for name in names if re.search(rf"\b{name}\b", file.read_text())], file.name


# Notebooks


def test_every_notebook_is_listed_and_every_figure_has_a_cell():
    text = (DOCS / "notebooks" / "index.md").read_text()
    assert len(NOTEBOOKS) >= 4
    for notebook in NOTEBOOKS:
        assert text.count(notebook.name) >= 2 and f"\n{notebook.stem}\n" in text


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_states_results_and_cites_equations(notebook):
    text = notebook.read_text()
    compile(text, notebook.name, "exec")
    assert len(re.findall(r"^\s*(assert |np\.testing\.assert_)", text, re.MULTILINE)) >= 4
    assert len(re.findall(r"\b(eq\. \d|equation \d|Equation \d)", text)) >= 2
