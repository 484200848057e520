"""Check the built site as a browser would meet it: links, anchors, pictures, other origins, and that the API is whole.

python docs/site/check_site.py build/site
"""

import re
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import generated_pages

_LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "video": "src", "audio": "src"}


class Page(HTMLParser):
    """The ids, links and loaded files of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.without_text: list[str] = []  # pictures
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") not in ("canonical", "author") and found.get("href"):
            self.loaded.append(found["href"])
        if tag in _LOADED and found.get(_LOADED[tag]):
            self.loaded.append(found[_LOADED[tag]])
        if tag == "img" and not (found.get("alt") or "").strip():
            self.without_text.append(found.get("src") or "")


def problems(site: Path) -> Iterator[str]:
    """List what is wrong, a line for each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") or parts.netloc:
                if address in page.loaded:
                    yield f"{name}: loads {address}, from another origin"
                continue
            if parts.scheme in ("data", "mailto", "javascript"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                yield f"{name}: {address} leads nowhere"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                yield f"{name}: {address}: the page has no such place"
        for source in page.without_text:
            yield f"{name}: the picture {source} has no text for those who cannot see it"
    for style in site.rglob("*.css"):
        for address in re.findall(
            r"url\(\s*['\"]?(https?:[^)'\"]+)|@import\s+['\"](https?:[^'\"]+)", style.read_text()
        ):
            yield f"{style.relative_to(site)}: loads {''.join(address)}, from another origin"
    described = _described((site / "objects.inv").read_bytes())
    for package in generated_pages.PACKAGES:
        for name in generated_pages.public_names(package):
            if not {f"{package}.{name}", f"keras_style.{name}"} & described:
                yield f"API: {package}.{name} is not described"


def _described(inventory: bytes) -> set[str]:
    """The Python names in a Sphinx inventory, version 2: four lines of text, then compressed lines."""
    lines = zlib.decompress(inventory.split(b"\n", 4)[4]).decode().splitlines()
    return {name for name, kind in (line.split()[:2] for line in lines) if kind.startswith("py:")}


def main() -> None:
    site = Path(sys.argv[1]).resolve()
    found = list(problems(site))
    for each in found:
        print(each)
    count = sum(1 for _ in site.rglob("*.html"))
    print(f"{count} pages, {len(found)} problems")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
