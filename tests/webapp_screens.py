"""Pictures of every state of the Face-ID page, to be looked at: ``python tests/webapp_screens.py FOLDER``.

Desktop and phone, light; the first states of each in dark too. ORL's faces sit before the camera.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

import camera
from test_webapp_browser import SAM, TONI, Visitor, running_server

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


class Screenshots:
    """Writes what the browser shows, the whole page, as numbered files."""

    def __init__(self, browser, folder: Path, size: str) -> None:
        self.browser, self.folder, self.size, self.count = browser, folder, size, 0
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def set_color_scheme(self, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def save_screenshot(self, state: str) -> None:
        wide = self.browser.execute_script("return document.documentElement.scrollWidth")
        if wide > SIZES[self.size][0]:
            print(f"{self.size} {state}: the page is {wide} pixels wide")
        self.browser.execute_script("scrollTo(0, 0)")
        whole = {"captureBeyondViewport": True, "format": "png"}
        data = self.browser.execute_cdp_cmd("Page.captureScreenshot", whole)["data"]
        self.count += 1
        (self.folder / f"{self.size}_{self.count:02d}_{state}.png").write_bytes(base64.b64decode(data))


def visit_all_states(visitor: Visitor, pictures: Screenshots) -> None:
    """Through all states, with a picture of each."""
    sam, name = camera.person_pictures(SAM["number"]), f"Sam {pictures.size}"
    visitor.open()
    for scheme in ("dark", "light"):
        pictures.set_color_scheme(scheme)
        pictures.save_screenshot(f"start_{scheme}")
    visitor.live.show(sam[2])
    visitor.press("Start camera")
    visitor.wait(lambda: visitor.find("#video").is_displayed())
    pictures.save_screenshot("preview")
    visitor.press("Stop camera")

    visitor.fill_sign_up(name, findable=True)
    pictures.save_screenshot("sign_up_form")
    visitor.live.show(camera.GRAY)
    visitor.press("Take five shots")
    visitor.wait(lambda: visitor.text("#hint"))
    pictures.save_screenshot("no_face")
    for place, number in enumerate(SAM["sign_up"]):
        visitor.live.show(sam[number])
        visitor.wait(lambda done=place: visitor.view != "running" or visitor.step() > done)
        if place < 4:
            pictures.save_screenshot(f"shot_{place + 1}")
    visitor.wait(lambda: visitor.view == "log-in")
    pictures.save_screenshot("signed_up")
    go_to_start(visitor)
    visitor.press("Who am I?")
    pictures.save_screenshot("who")
    go_to_start(visitor)
    visitor.who_am_i(sam[SAM["other"]], leave=False)
    pictures.save_screenshot("who_answer")
    go_to_start(visitor)

    visitor.log_in(name, TONI, seen=lambda: pictures.save_screenshot("turn"))
    pictures.save_screenshot("refused")
    go_to_start(visitor)
    visitor.log_in(name, SAM)
    pictures.save_screenshot("logged_in")
    visitor.press("My data")
    visitor.wait(lambda: visitor.view == "data")
    pictures.save_screenshot("my_data")
    visitor.press_shown("start")
    visitor.wait(lambda: visitor.view == "account")
    visitor.press("Delete me")
    for scheme in ("dark", "light"):
        pictures.set_color_scheme(scheme)
        pictures.save_screenshot(f"delete_{scheme}")
    visitor.press("Yes, delete me")
    visitor.wait(lambda: visitor.view == "home")
    pictures.save_screenshot("deleted")
    visitor.allow_camera("denied")
    visitor.press("Start camera")
    visitor.wait(lambda: visitor.text("#message"))
    pictures.save_screenshot("denied")


def go_to_start(visitor: Visitor) -> None:
    """To the start, signed out."""
    visitor.press_shown("start")
    visitor.wait(lambda: visitor.view == "home")


def main(folder: Path) -> None:
    """All sizes, one server and one browser for each."""
    folder.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as own, running_server(Path(own), *sys.argv[2:]) as address:
            live = camera.LiveCamera(Path(own) / "camera.y4m")
            browser = camera.start_chromium(Path(own) / "profile", live.path, "hide-scrollbars")
            try:
                visit_all_states(Visitor(browser, live, address), Screenshots(browser, folder, size))
            finally:
                browser.quit()
                live.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
