"""Pictures of every state of the Face-ID page, to be looked at: ``python tests/webapp_screens.py FOLDER``.

On a desktop, a phone, and one that lies on its side: what is seen without scrolling, and the whole page, light and dark. ORL's
faces sit before the camera. Further arguments are those of ``facelab app``, such as --lab.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

import camera
from visitor import SAM, TONI, Visitor, running_server, sent_visitor

SIZES = {"desktop": (1280, 800), "phone": (390, 844), "side": (640, 320)}


class Screenshots:
    """Writes what the browser shows as numbered files."""

    def __init__(self, browser, folder: Path, size: str) -> None:
        self.browser, self.folder, self.size, self.count = browser, folder, size, 0
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size != "desktop"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def save(self, state: str) -> None:
        wide = self.browser.execute_script("return document.documentElement.scrollWidth")
        if wide > SIZES[self.size][0]:
            print(f"{self.size} {state}: the page is {wide} pixels wide")
        self.count += 1
        self._write(f"{state}_seen", whole=False)
        for scheme in ("dark", "light"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            self._write(f"{state}_{scheme}", whole=True)

    def _write(self, name: str, whole: bool) -> None:
        parameters = {"captureBeyondViewport": whole, "format": "png"}
        data = self.browser.execute_cdp_cmd("Page.captureScreenshot", parameters)["data"]
        (self.folder / f"{self.size}_{self.count:02d}_{name}.png").write_bytes(base64.b64decode(data))


def visit_all_states(visitor: Visitor, pictures: Screenshots) -> None:
    """Through all states, with a picture of each."""
    sam, name = camera.person_pictures(SAM["number"]), f"Sam {pictures.size}"
    visitor.open()
    pictures.save("start")
    visitor.live.show(sam[2])
    visitor.press("Start camera")
    visitor.wait(lambda: visitor.find("#video").is_displayed())
    pictures.save("preview")
    visitor.press("Stop camera")

    visitor.fill_sign_up(name, findable=True)
    pictures.save("sign_up_form")
    visitor.live.show(camera.GRAY)
    visitor.press("Take five shots")
    visitor.wait(lambda: visitor.text("#hint"))
    pictures.save("no_face")
    for place, number in enumerate(SAM["sign_up"]):
        visitor.live.show(sam[number])
        visitor.wait(lambda done=place: visitor.view != "running" or visitor.step() > done)
        if place == 1:
            pictures.save("two_shots")
    visitor.wait(lambda: visitor.view == "log-in")
    pictures.save("signed_up")
    go_to_start(visitor)
    visitor.press("Who am I?")
    pictures.save("who")
    go_to_start(visitor)
    visitor.who_am_i(sam[SAM["other"]], leave=False)
    pictures.save("who_answer")
    go_to_start(visitor)

    visitor.log_in(name, TONI, seen=lambda: pictures.save("turn"))
    pictures.save("refused")
    go_to_start(visitor)
    visitor.log_in(name, SAM)
    pictures.save("logged_in")
    visitor.press("My data")
    visitor.wait(lambda: visitor.view == "data")
    pictures.save("my_data")
    visitor.press_shown("start")
    visitor.wait(lambda: visitor.view == "account")
    visitor.press("Delete me")
    pictures.save("delete")
    visitor.press("Yes, delete me")
    visitor.wait(lambda: visitor.view == "home")
    pictures.save("deleted")
    visitor.allow_camera("denied")
    visitor.press("Start camera")
    visitor.wait(lambda: visitor.text("#message"))
    pictures.save("denied")
    visitor.allow_camera("granted")


def go_to_start(visitor: Visitor) -> None:
    """To the start, signed out."""
    visitor.press_shown("start")
    visitor.wait(lambda: visitor.view == "home")


def main(folder: Path) -> None:
    """All sizes, with one server and one browser."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as own,
        running_server(Path(own), *sys.argv[2:]) as address,
        sent_visitor(Path(own), address, "hide-scrollbars") as visitor,
    ):
        for size in SIZES:
            visit_all_states(visitor, Screenshots(visitor.browser, folder, size))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
