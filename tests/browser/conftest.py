"""The built site on loopback, and Chromium without a window, which can reach nothing else."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opened_page import SITE

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage"
)


class Files(http.server.SimpleHTTPRequestHandler):
    """A plain server of files, which sends no header of its own."""

    def log_message(self, *given: object) -> None:
        pass


class Server:
    """A server in a thread, until it is stopped."""

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
def chromium(tmp_path: Path) -> Iterator[object]:
    """Starts Chromium: call it with further flags. It downloads to `tmp_path / "saved"`."""
    from selenium import webdriver  # of the extra keras-style[browser]

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.fail("Chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    started = []

    def start(*flags: str) -> object:
        options = webdriver.ChromeOptions()
        options.binary_location = program
        # All but loopback would go through a proxy that is not there: it fails, which the console tells.
        own = [f"--user-data-dir={tmp_path / f'profile{len(started)}'}", "--proxy-server=127.0.0.1:9"]
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
