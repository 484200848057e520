"""The page that paints, in Chromium: its pictures are those of Python, and nothing leaves the browser."""

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from opened_page import ROOT, SITE, PaintPage
from PIL import Image

import keras_style

pytestmark = pytest.mark.browser

EXAMPLE = ROOT / "examples" / "content" / "neuschwanstein_castle.jpg"
SCREENSHOTS = ROOT / "build" / "browser"
NEAR = 2  # levels of 255


@pytest.fixture(scope="module")
def painter():
    return keras_style.models.Painter.from_preset("painters")


@pytest.fixture(scope="module")
def names(painter):
    return [*painter.styles][:2]


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    """A photograph of 512 pixels without loss, whose height is no multiple of four."""
    path = tmp_path_factory.mktemp("picture") / "castle.png"
    keras_style.images.save(keras_style.images.fit(keras_style.images.load(EXAMPLE), 512), path)
    assert keras_style.images.load(path).shape == (342, 512, 3)
    return path


@pytest.fixture
def open_page(chromium, site, tmp_path):
    """Opens the page, with further flags of Chromium."""
    return lambda *flags: PaintPage(chromium(*flags), site.address, tmp_path / "saved")


def same(levels: np.ndarray, result: keras_style.TransferResult, near: int = NEAR) -> None:
    expected = np.asarray(keras_style.images.to_pil(result.array)).astype(int)
    assert levels.shape == expected.shape
    difference = np.abs(levels - expected)
    assert difference.max() <= near, f"{difference.max()} levels, {difference.mean():.3f} on average"
    assert expected.std() > 5  # or any two pictures would be alike


def quiet(page: PaintPage) -> None:
    assert [line for line in page.browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_the_example_in_two_styles_and_the_sliders(open_page, painter, names):
    page = open_page().ready()
    assert page.run("return crossOriginIsolated") is True and "threads" in page.part("engine").text
    page.painted(lambda: page.press(page.part("example")))
    called, first = page.download()
    assert called == f"example_{names[0]}.png"
    # A browser decodes JPEG by another library.
    same(first, painter.paint(EXAMPLE, names[0], size=512), near=16)
    page.painted(lambda: page.choose(1))
    called, second = page.download()
    assert called == f"example_{names[1]}.png" and np.abs(second.astype(int) - first).mean() > 10

    page.painted(lambda: page.set("strength", "0"))
    same(page.download()[1], painter.paint(EXAMPLE, names[1], size=512, strength=0), near=16)
    page.set("split", "100")
    assert page.run("return getComputedStyle(document.getElementById('paint-after')).clipPath").endswith("100%)")
    quiet(page)


def test_other_servers_are_refused(open_page):
    """The browser refuses them, to the page and to the worker that holds the photograph; a request would be seen."""
    page = open_page().ready()
    script = """
        const done = arguments[0];
        addEventListener("securitypolicyviolation", (event) => done(event.blockedURI));
        fetch("https://example.org/photograph", { method: "POST", body: "pixels" }).catch(() => {});
    """
    assert page.browser.execute_async_script(script) == "https://example.org/photograph"
    with pytest.raises(AssertionError, match=r"example\.org"):
        quiet(page)
    rule = """
        const done = arguments[0];
        fetch("worker.mjs").then((answer) => done(answer.headers.get("content-security-policy")));
    """
    assert page.browser.execute_async_script(rule).startswith("default-src 'self' data: blob: ")


def test_pictures_are_those_of_python(open_page, painter, names, picture):
    page = open_page().ready()
    page.painted(lambda: page.give(picture))
    same(page.download()[1], painter.paint(picture, names[0]))
    page.painted(lambda: page.set("strength", "60"))
    same(page.download()[1], painter.paint(picture, names[0], strength=0.6))
    page.painted(lambda: page.set("strength", "100"))
    page.painted(lambda: page.set("stroke", "1"))
    same(page.download()[1], painter.paint(picture, names[0], stroke=2))
    page.painted(lambda: page.set("stroke", "0.5"))
    same(page.download()[1], painter.paint(picture, names[0], stroke=2**0.5))
    page.painted(lambda: page.set("stroke", "0"))

    page.press(page.part("blend"))
    page.painted(lambda: page.choose(1))
    called, blended = page.download()
    assert called == f"castle_{names[0]}_{names[1]}.png"
    same(blended, painter.paint(picture, names))
    first, _ = page.browser.find_elements("css selector", "#paint-shares input")
    script = "arguments[0].value = 100; arguments[0].dispatchEvent(new Event('change'))"
    page.painted(lambda: page.run(script, first))
    same(page.download()[1], painter.paint(picture, names, style_blend=[2, 1]))
    page.choose(1)
    page.painted(lambda: page.choose(0))  # the last one stays
    same(page.download()[1], painter.paint(picture, names[0]))
    quiet(page)


def test_sizes_and_odd_pictures(open_page, painter, names, tmp_path):
    odd = tmp_path / "odd.png"
    random = np.random.default_rng(0)
    pixels = np.kron(random.integers(0, 256, (41, 77, 4)), np.ones((9, 9, 1))).astype(np.uint8)[:365, :691]
    pixels[..., 3] = np.where(pixels[..., 3] > 60, 255, 0)
    Image.fromarray(pixels).save(odd)  # it is reduced, and transparent in places
    page = open_page().ready()
    page.painted(lambda: page.give(odd))
    same(page.download()[1], painter.paint(odd, names[0], size=512))
    page.painted(lambda: page.set("size", "1024"))
    same(page.download()[1], painter.paint(odd, names[0]))  # it is not enlarged
    small = tmp_path / "small.png"
    Image.fromarray(pixels[:19, :21, :3]).save(small)
    page.painted(lambda: page.give(small))
    same(page.download()[1], painter.paint(small, names[0]))
    quiet(page)


def test_what_cannot_be_painted_is_said(open_page, tmp_path, names, picture):
    page = open_page().ready()
    broken, huge, wide, tiny = (tmp_path / f"{name}.png" for name in ("broken", "huge", "wide", "tiny"))
    broken.write_bytes(b"no picture at all")
    page.give(broken)
    assert page.complains().startswith("broken.png is no picture that this browser can read; expected ")
    with huge.open("wb") as file:
        file.truncate(61_000_000)
    page.give(huge)
    page.until("error", lambda text: "huge.png has 61 MB" in text)
    Image.new("1", (10_000, 6_001)).save(wide)
    page.give(wide)
    page.until("error", lambda text: "wide.png is 10000 × 6001 pixels" in text)
    Image.new("RGB", (15, 40)).save(tiny)
    page.give(tiny)
    page.until("error", lambda text: "expected at least 16 on each side" in text)
    assert not page.part("picture").is_displayed() and not page.part("save").is_enabled()
    page.run("document.getElementById('paint-error').textContent = ''")
    page.painted(lambda: page.give(picture))
    assert not page.part("error").is_displayed()
    assert page.download()[0] == f"castle_{names[0]}.png"
    quiet(page)


def test_without_webassembly_it_says_so(open_page):
    page = open_page()
    source = {"source": "delete globalThis.WebAssembly"}
    page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    page.open()
    assert page.complains().startswith("This browser cannot paint: it has no WebAssembly.")
    assert not page.part("example").is_enabled()


def test_a_page_from_a_file_says_what_it_needs(open_page):
    page = open_page()
    page.address = (SITE / "paint" / "index.html").as_uri()
    page.open()
    assert page.complains().endswith("python -m http.server --directory build/site")


def test_without_a_service_worker_it_paints_in_one_thread(open_page, painter, names, picture):
    """And without WebGPU, of which no file is fetched."""
    page = open_page("--disable-features=WebGPU,WebGPUService")
    source = "delete Navigator.prototype.serviceWorker; delete Navigator.prototype.gpu"
    page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    page.ready()
    assert page.run("return crossOriginIsolated") is False and "in one thread" in page.part("engine").text
    page.painted(lambda: page.give(picture))
    same(page.download()[1], painter.paint(picture, names[0]))
    quiet(page)


def test_offline_after_loading(open_page, site, painter, names, picture):
    page = open_page().ready()
    kept = """
        const done = arguments[0];
        caches.open("keras_style_paint").then((cache) => cache.keys()).then((keys) => done(keys.map((key) => key.url)));
    """
    files = {urlsplit(url).path.rpartition("/paint/")[2] for url in page.browser.execute_async_script(kept)}
    assert {"index.html", "painter.onnx", "wasm/engine.wasm", "worker.mjs", "styles.json"} <= files
    assert not {each for each in files if each.startswith("webgpu/")}  # which no page without a graphics card fetches
    site.stop()
    page.ready()
    page.painted(lambda: page.give(picture))
    same(page.download()[1], painter.paint(picture, names[0]))
    images = "return [...document.querySelectorAll('#paint-styles img')].map((image) => image.naturalWidth)"
    assert min(page.run(images)) > 0
    quiet(page)


def test_a_picture_that_takes_long_can_be_stopped(open_page, picture, tmp_path):
    page = open_page().ready()
    large = tmp_path / "large.png"
    Image.open(picture).resize((2048, 1368)).save(large)
    page.set("size", "2048")
    page.give(large)
    page.says("Painting 2048 × 1368 pixels")
    assert page.run("return document.getElementById('paint-progress').hidden") is False
    page.press(page.part("stop"))
    page.says("Stopped.")
    assert not page.part("stop").is_displayed() and not page.part("progress").is_displayed()
    page.painted(lambda: page.set("size", "512"))
    assert page.download()[1].shape == (342, 512, 3)
    quiet(page)


def test_keyboard_and_screen_readers(open_page, painter, picture):
    page = open_page().ready()
    page.painted(lambda: page.give(picture))
    from selenium.webdriver.common.keys import Keys

    styles = page.browser.find_elements("css selector", "#paint-styles input")
    assert len(styles) == len(painter.styles)
    page.painted(lambda: styles[0].send_keys(Keys.ARROW_RIGHT))
    assert styles[1].is_selected() and styles[1] == page.browser.switch_to.active_element
    before = int(page.part("split").get_attribute("value"))
    page.part("split").send_keys(Keys.ARROW_RIGHT)
    assert int(page.part("split").get_attribute("value")) == before + 1

    found = {"expression": "document.getElementById('paint-controls')"}
    controls = page.browser.execute_cdp_cmd("Runtime.evaluate", found)["result"]["objectId"]
    tree = page.browser.execute_cdp_cmd("Accessibility.queryAXTree", {"objectId": controls})["nodes"]
    value = lambda node, key: node.get(key, {}).get("value", "")
    seen = [(value(node, "role"), value(node, "name")) for node in tree if not node["ignored"]]
    named = {"button", "slider", "radio", "checkbox", "combobox", "progressbar", "image"}
    assert [role for role, name in seen if role in named and not name] == []
    assert {("slider", "Before and after"), ("checkbox", "Blend several"), ("button", "Download as PNG")} <= {*seen}
    for name in ("Strength", "Strokes"):
        assert any(role == "slider" and each.startswith(name) for role, each in seen)
    assert {"status", "alert"} & {role for role, _ in seen}


@pytest.mark.parametrize("colors", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_window(open_page, width, colors):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page = open_page()
    media = {"features": [{"name": "prefers-color-scheme", "value": colors}]}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.ready()
    page.painted(lambda: page.press(page.part("example")))
    across = "return [document.documentElement.scrollWidth, innerWidth]"
    needed, window = page.run(across)
    assert needed <= window
    script = "const { width, height } = arguments[0].getBoundingClientRect(); return width / height"
    assert page.run(script, page.part("after")) == pytest.approx(512 / 342, rel=0.02)
    page.run("document.activeElement.blur()")
    name = f"{width}_{colors}"
    page.browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))
    page.run("document.getElementById('paint-strength').scrollIntoView({ behavior: 'instant' })")
    page.browser.save_screenshot(str(SCREENSHOTS / f"{name}_controls.png"))


def test_what_is_loaded_is_at_most_8_mb():
    """Compressed, as servers send it; with either engine."""
    folder = SITE / "paint"
    size = lambda file: min(len(gzip.compress(file.read_bytes(), 6)), file.stat().st_size)
    loaded = {"wasm": 0, "webgpu": 0}
    for file in filter(Path.is_file, folder.rglob("*")):
        for engine in {file.parent.name} & loaded.keys() or loaded.keys():
            loaded[engine] += size(file)
    assert min(loaded.values()) > 1e6 and max(loaded.values()) <= 8e6, loaded
