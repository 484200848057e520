"""The built site on loopback, and Chromium without a window, which can reach nothing else."""

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
SCREENSHOTS = ROOT / "build" / "browser"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage"
)


class Files(http.server.SimpleHTTPRequestHandler):
    """A plain server of files, which sends no header of its own."""

    def log_message(self, *given: object) -> None:
        pass


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """In the place of the rest of the world: it writes down what was asked for, and refuses."""

    asked: list[str]

    def refuse(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        with contextlib.suppress(ConnectionError):  # it was not waited for
            self.send_error(403)

    do_GET = do_POST = do_HEAD = do_CONNECT = refuse

    def log_message(self, *given: object) -> None:
        pass


class Server:
    """A server in a thread, until it is stopped."""

    seen: list[str]

    def __init__(self, handler: object) -> None:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = "{}:{}".format(*self.server.server_address)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()


@pytest.fixture
def site() -> Iterator[Server]:
    """The built site."""
    if not (SITE / "paint" / "styles.json").is_file():
        pytest.fail("there is no site with the page that paints; `make docs NOTEBOOKS=off` builds it")
    server = Server(functools.partial(Files, directory=SITE))
    yield server
    server.stop()


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """The rest of the world, whose `seen` is what was asked of it."""
    seen: list[str] = []
    server = Server(type("Recording", (Elsewhere,), {"asked": seen}))
    server.seen = seen
    yield server
    server.stop()


@pytest.fixture
def chromium(tmp_path: Path, elsewhere: Server) -> Iterator[object]:
    """Starts Chromium: call it with further flags. It downloads to `tmp_path / "saved"`."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install 'keras-style[browser]'")
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.fail("Chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    started = []

    def start(*flags: str) -> object:
        options = webdriver.ChromeOptions()
        options.binary_location = program
        # All but loopback goes through what writes it down.
        own = [f"--user-data-dir={tmp_path / f'profile{len(started)}'}", f"--proxy-server={elsewhere.address}"]
        for flag in [*FLAGS.split(), *own, *flags]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        saved = tmp_path / "saved"
        options.add_experimental_option("prefs", {"download.default_directory": str(saved)})
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
        started.append(browser)
        browser.set_window_size(1280, 1000)
        return browser

    yield start
    for browser in started:
        browser.quit()
