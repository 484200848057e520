"""The page that paints, as somebody uses it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PATIENCE = 240  # seconds for whatever the page does; machines may be busy
ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"


class PaintPage:
    """Opened in a browser of Selenium.

    Args:
        browser: what is driven.
        site: address of the site, host and port.
        saved: the folder of downloads.
    """

    def __init__(self, browser: Any, site: str, saved: Path) -> None:
        self.browser, self.saved = browser, saved
        self.address = f"http://{site}/paint/index.html"

    def open(self) -> "PaintPage":
        self.browser.get(self.address)
        return self

    def ready(self) -> "PaintPage":
        self.open()
        assert self.says("Ready") == "Ready. Choose a photograph."
        return self

    def part(self, name: str) -> Any:
        return self.browser.find_element("id", f"paint-{name}")

    def run(self, script: str, *given: Any) -> Any:
        return self.browser.execute_script(script, *given)

    def says(self, start: str) -> str:
        """Its status, as soon as it begins so."""
        return self.until("status", lambda text: text.startswith(start))

    def complains(self) -> str:
        """Its error, as soon as there is one."""
        return self.until("error", bool)

    def until(self, name: str, found: Callable[[str], bool]) -> str:
        """The text of a part, as soon as it is as expected."""
        # In one call, since the page may be loaded anew meanwhile.
        end = time.monotonic() + PATIENCE
        script = "return ['error', 'status'].map((name) => document.getElementById(`paint-${name}`)?.textContent ?? '')"
        while True:
            error, status = self.run(script)
            text = status if name == "status" else error
            if found(text):
                return text
            assert name == "error" or not error, f"the page complains: {error}"
            assert time.monotonic() < end, f"the page says {status!r} and {error!r}"
            time.sleep(0.05)

    def painted(self, act: Any) -> str:
        """Its status when an act has led to a picture."""
        self.run("document.getElementById('paint-status').textContent = ''")
        act()
        return self.says("Painted")

    def give(self, file: Path) -> None:
        self.part("file").send_keys(str(file))

    def set(self, name: str, value: str) -> None:
        """Move a slider, or choose from a list."""
        script = """
            const part = document.getElementById(`paint-${arguments[0]}`);
            part.value = arguments[1];
            for (const kind of ["input", "change"]) part.dispatchEvent(new Event(kind, { bubbles: true }));
        """
        self.run(script, name, value)

    def press(self, element: Any) -> None:
        """Click on what may be outside of the window."""
        # The site scrolls smoothly; a click meets something else while the page still moves.
        self.run("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", element)
        element.click()

    def choose(self, place: int) -> None:
        """Press a style."""
        self.press(self.browser.find_elements("css selector", "#paint-styles input")[place])

    def download(self) -> tuple[str, np.ndarray]:
        """The picture as it is saved: the name of its file, and its 8-bit levels."""
        before = {*self.saved.glob("*.png")}
        self.press(self.part("save"))
        self.says("Saved")
        end = time.monotonic() + PATIENCE
        while not (new := {*self.saved.glob("*.png")} - before):
            assert time.monotonic() < end, "nothing was downloaded"
            time.sleep(0.05)
        (file,) = new
        array = np.asarray(Image.open(file).convert("RGB"))  # which is opaque
        file.unlink()
        return file.name, array
