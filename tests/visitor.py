"""What tests of the Face-ID page share: the server as a user starts it, and somebody before the camera."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import camera

LIMIT = 60  # seconds that anything may take before it counts as broken; the machine may be busy

# Photographs of an ORL person by their numbers: the five of the sign-up, what a log-in shows (straight, and turned to the
# person's own left or right), and one for who-am-I. None is shown twice, and each is far from every limit: of the turn, of
# liveness, of what counts as one picture (of the sign-up, too: it is remembered).
KIM = {"number": 3, "sign_up": (6, 2, 7, 9, 1), "straight": 8, "left": 10, "right": 5, "other": 4}
ROBIN = {"number": 10, "sign_up": (10, 3, 1, 8, 5), "straight": 6, "left": 4, "right": 9}
SAM = {"number": 4, "sign_up": (7, 2, 3, 4, 1), "straight": 9, "left": 10, "right": 6, "other": 5}
TONI = {"number": 26, "sign_up": (9, 4, 7, 6, 1), "straight": 3, "left": 5, "right": 2}
ALEX = {"number": 23, "straight": 7, "left": 2, "right": 9}


# ---- the server, as a user starts it ----


def free_port() -> int:
    with socket.socket() as open_socket:
        open_socket.bind(("127.0.0.1", 0))
        return open_socket.getsockname()[1]


@contextlib.contextmanager
def running_server(folder: Path, *arguments: str):
    """``facelab app`` on a free port with a folder and a key of its own; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "facelab.cli", "app", "--port", str(port), "--folder", str(folder / "faceid")]
    surroundings = {**os.environ, "FACELAB_KEY_FILE": str(folder / "faceid.key")}
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen([*command, *arguments], env=surroundings, stdout=output, stderr=output)
    try:
        address, end = f"http://127.0.0.1:{port}", time.monotonic() + LIMIT
        while True:
            try:
                urllib.request.urlopen(address + "/api/state", timeout=LIMIT).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"The server does not answer:\n{log.read_text()}") from None
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(LIMIT)


# ---- somebody before the camera ----


@contextlib.contextmanager
def sent_visitor(folder: Path, address: str, *switches: str):
    """A visitor of a page, with a browser and a camera of their own; ``switches`` are Chromium's."""
    live = camera.LiveCamera(folder / "camera.y4m")
    browser = camera.start_chromium(folder / "profile", live.path, *switches)
    try:
        yield Visitor(browser, live, address)
    finally:
        browser.quit()
        live.close()


class Visitor:
    """What a person does with the page: reads it, presses, types, and shows a face to the camera."""

    def __init__(self, browser, live: camera.LiveCamera, address: str) -> None:
        self.browser, self.live, self.address = browser, live, address
        self.passphrase = ""  # typed where the page asks for one

    def find(self, selector: str):
        return self.browser.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        return self.find(selector).get_property("textContent").strip()

    def press(self, label: str) -> None:
        """The visible button, or link, of this label."""
        [button] = [b for b in self.browser.find_elements("css selector", "button") if b.text == label]
        button.click()

    def press_shown(self, goal: str) -> None:
        """The button of the view that leads to ``goal``; "start" is Back."""
        self.find(f'[data-view="{self.view}"] [data-go="{goal}"]').click()

    def wait(self, condition) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        try:
            WebDriverWait(self.browser, LIMIT, 0.05).until(lambda _: condition())
        except Exception as problem:
            seen = {place: self.text(place) for place in ("#message", "#say", "#hint", "#progress")}
            raise AssertionError(f"Waited in vain in view {self.view}: {seen}") from problem

    @property
    def view(self) -> str:
        shown = self.browser.find_elements("css selector", "[data-view]:not([hidden])")
        return shown[0].get_attribute("data-view") if shown else ""

    def open(self) -> Visitor:
        """The page, with nobody signed in and the permission to film."""
        self.browser.delete_all_cookies()
        self.live.show(camera.GRAY)
        self.allow_camera("granted")
        self.browser.get(self.address)
        self.wait(lambda: self.view == "home")
        return self

    def check_log(self) -> None:
        """Nothing may have failed inside the page."""
        told = [line["message"] for line in self.browser.get_log("browser")]
        assert not [line for line in told if "Uncaught" in line or "Content Security Policy" in line], told

    def allow_camera(self, setting: str) -> None:
        wanted = {"permission": {"name": "camera"}, "setting": setting, "origin": self.address}
        self.browser.execute_cdp_cmd("Browser.setPermission", wanted)

    @property
    def filming(self) -> bool:
        return self.browser.execute_script("return document.getElementById('video').srcObject !== null")

    def step(self) -> int:
        """How many steps of the dialogue are done."""
        return len(self.browser.find_elements("css selector", "#steps .done"))

    # -- dialogues; each ends in the view that follows it --

    def fill_sign_up(self, name: str, findable: bool = False) -> None:
        self.press("Sign up")
        self.find("#sign-up-name").send_keys(name)
        self._type_passphrase("#sign-up-passphrase")
        self.find("#consent").click()
        if findable:
            self.find("#findable").click()

    def _type_passphrase(self, field: str) -> None:
        if self.passphrase:
            self.find(field).send_keys(self.passphrase)

    def show_shots(self, who: dict) -> None:
        """Does what the page says, shot by shot, until it has all five."""
        pictures = camera.person_pictures(who["number"])
        for place, number in enumerate(who["sign_up"]):
            self.live.show(pictures[number])
            self.wait(lambda done=place: self.view != "running" or self.step() > done)

    def sign_up(self, name: str, who: dict, findable: bool = False) -> None:
        self.fill_sign_up(name, findable)
        self.live.show(
            camera.person_pictures(who["number"])[who["sign_up"][0]]
        )  # or the one before would still be seen
        self.press("Take five shots")
        self.show_shots(who)
        self.wait(lambda: self.view == "log-in")
        assert name in self.text("#message") and not self.filming
        self.press_shown("start")
        self.wait(lambda: self.view == "home")

    def log_out(self) -> None:
        self.press("Log out")
        self.wait(lambda: self.view == "home")

    def log_in(self, name: str, who: dict, seen=lambda: None) -> str:
        """Looks straight, turns as the page says, and returns the message at the end; ``seen`` is called in between."""
        pictures = camera.person_pictures(who["number"])
        self.press("Log in")
        field = self.find("#log-in-name")
        field.clear()
        field.send_keys(name)
        self._type_passphrase("#log-in-passphrase")
        self.live.show(pictures[who["straight"]])
        self.press("Log in with my face")
        self.wait(lambda: self.view == "running")
        self.wait(lambda: self.view != "running" or self.step() == 1)
        if self.view == "running":
            side = "left" if "left" in self.text("#say") else "right"
            seen()
            self.live.show(pictures[who[side]])
            self.wait(lambda: self.view != "running")
        assert not self.filming
        return self.text("#message")

    def who_am_i(self, picture, leave: bool = True) -> str:
        self.press("Who am I?")
        self.live.show(picture)
        self.press("Find me")
        self.wait(lambda: self.view == "who" and self.find("#who-answer").is_displayed())
        answer = self.text("#who-answer")
        if leave:
            self.press_shown("start")
            self.wait(lambda: self.view != "who")
        return answer


class Keyboard:
    """Somebody without a mouse: Tab until the focus is there, and it must be seen there."""

    def __init__(self, browser) -> None:
        self.browser = browser

    @property
    def focused(self) -> str:
        """The id of what has the focus, else its text."""
        element = self.browser.switch_to.active_element
        return element.get_attribute("id") or element.text

    def press(self, key: str) -> None:
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self.browser).send_keys(getattr(Keys, key)).perform()

    def write(self, text: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(text).perform()

    def go_to(self, goal: str) -> Keyboard:
        for _ in range(30):
            element = self.browser.switch_to.active_element
            if goal in (element.get_attribute("id"), element.text):
                assert element.value_of_css_property("outline-style") == "solid", f"the focus on {goal} is not seen"
                return self
            self.press("TAB")
        raise AssertionError(f"Tab does not lead to {goal}")
