"""What tests of the explorers share: the page of a frame, and Chromium that looks at it."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import re
import shutil
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
from IPython.display import HTML
from PIL import Image

#: Labels that would do harm where one was taken for markup, mathematics, or the end of a script.
HOSTILE = ["</script><script>document.title='broken'</script>", "$x_{1$", "[red]", "🙂 <img src=x onerror=alert(1)>"]
MISSING_BROWSER = None if shutil.which("chromium") and shutil.which("chromedriver") else "needs Chromium and its driver"


class _Frame(HTMLParser):
    def handle_starttag(self, tag, attributes):
        if tag == "iframe":
            self.attributes = dict(attributes)


def page_of(shown: HTML) -> str:
    """The document in the frame that an explorer returned; the frame must keep it apart and have a name."""
    assert isinstance(shown, HTML)
    frame = _Frame()
    frame.feed(shown.data)
    assert frame.attributes["sandbox"] == "allow-scripts" and frame.attributes["title"]
    return frame.attributes["srcdoc"]


def data_of(document: str) -> str:
    """The JSON of a page."""
    return re.search(r'<script type="application/json" id="data">(.*?)</script>', document, re.DOTALL)[1]


def check_alone(document: str) -> None:
    """A page needs nothing else, may load nothing else, and is small beside its data."""
    assert len((document).encode()) - len(data_of(document).encode()) < 60_000
    assert "default-src 'none'" in document
    assert not re.search(r"(src|href)\s*=\s*[\"']?(?!data:)[a-z]+:", document.replace(data_of(document), ""))


@contextlib.contextmanager
def chromium(folder: Path):
    """A headless Chromium with a fresh profile."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    switches = [
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "no-first-run",
        "disable-sync",
        "disable-background-networking",
    ]
    for switch in [*switches, "disable-component-update", f"user-data-dir={folder / 'profile'}"]:
        options.add_argument(f"--{switch}")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield Reader(browser, folder)
    finally:
        browser.quit()


class Reader:
    """Somebody who looks at a page, presses keys and touches."""

    def __init__(self, browser, folder: Path) -> None:
        self.browser, self.folder = browser, folder

    def open(self, document: str, width: int = 1000, height: int = 800, dark: bool = False) -> Reader:
        """Show a document in a window of this size."""
        path = self.folder / "page.html"
        path.write_text(document, encoding="utf-8")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        self.browser.get(path.as_uri())
        self.wait_for(
            "return document.readyState === 'complete' && (!data.faces || document.querySelector('canvas') !== null)"
        )
        return self

    def run(self, script: str, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait_for(self, script: str) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 60, 0.05).until(lambda _: self.run(script))

    def text(self, selector: str) -> str:
        return self.browser.find_element("css selector", selector).get_property("textContent").strip()

    def texts(self, selector: str) -> list[str]:
        return [
            found.get_property("textContent").strip() for found in self.browser.find_elements("css selector", selector)
        ]

    def press(self, selector: str, *keys: str) -> None:
        """Keys to an element, by their names in selenium's Keys, or letters."""
        from selenium.webdriver.common.keys import Keys

        element = self.browser.find_element("css selector", selector)
        for key in keys:
            element.send_keys(getattr(Keys, key, key))

    def point(self, selector: str, x: float, y: float) -> None:
        """The mouse over a place of an element, in shares of its width and height."""
        left, top = self._place(selector, x, y)
        self.browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": left, "y": top})

    def touch(self, selector: str, *places: tuple[float, float]) -> None:
        """A finger that is put on an element and moved over it; places are shares of its width and height."""
        at = [dict(zip("xy", self._place(selector, x, y), strict=True)) for x, y in places]
        for number, point in enumerate(at):
            kind = "touchMove" if number else "touchStart"
            self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def _place(self, selector: str, x: float, y: float) -> tuple[float, float]:
        """In pixels of the window, to which the element is scrolled."""
        left, top, width, height = self.run(
            "const e = document.querySelector(arguments[0]); e.scrollIntoView({ block: 'nearest' });"
            "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]",
            selector,
        )
        return left + x * width, top + y * height

    def pixels(self, selector: str) -> np.ndarray:
        """A canvas as uint8 (h, w, 3)."""
        address = self.run("return document.querySelector(arguments[0]).toDataURL()", selector)
        picture = Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))
        return np.asarray(picture.convert("RGB"))

    def barriers(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 A and AA."""
        self.run(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        found = self.browser.execute_async_script("axe.run({ runOnly: arguments[0] }).then(arguments[1])", rules)
        assert found["passes"], "nothing was looked at"
        return [f"{one['id']}: {node['html'][:100]}" for one in found["violations"] for node in one["nodes"]]

    def check_page(self, document: str) -> None:
        """On a wide and a narrow screen, light and dark: nothing against WCAG, nothing wider than the screen, no error."""
        for width in (1280, 390):
            for dark in (False, True):
                self.open(document, width, dark=dark)
                assert self.barriers() == [], (width, dark)
                assert self.run("return document.documentElement.scrollWidth <= innerWidth"), (width, dark)
        assert html.unescape(self.browser.title) != "broken"
        assert [line for line in self.browser.get_log("browser") if line["level"] == "SEVERE"] == []
