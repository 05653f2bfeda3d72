"""Face-ID as a person meets it: real headless Chromium, whose fake camera plays ORL photographs.

No log-in of an account shows what another log-in showed: that would be refused as a replay, and say nothing about the face.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import camera
import pytest

import facelab

LIMIT = 60  # seconds that anything may take before it counts as broken; the machine may be busy
FOREIGN = "faceid.example"  # a name that Chromium is told to find here

# Photographs of an ORL person by their numbers: the five of the sign-up, what a log-in shows (straight, and turned to the
# person's own left or right), and one for who-am-I. Few people turn far enough to both sides twice: Kim shows nothing again;
# Robin, Sam and Toni show their turned ones at both. How far a head is turned depends on the detector: these work with its
# pictures of 320, 480 and 640 pixels.
KIM = {"number": 1, "sign_up": (7, 2, 4, 3, 1), "straight": 8, "left": 10, "right": 6, "other": 9}
ROBIN = {"number": 10, "sign_up": (1, 4, 9, 2, 5), "straight": 8, "left": 4, "right": 9}
SAM = {"number": 4, "sign_up": (4, 10, 6, 1, 7), "straight": 9, "left": 10, "right": 6, "other": 5}
TONI = {"number": 26, "sign_up": (6, 4, 2, 1, 7), "straight": 3, "left": 8, "right": 2}
ALEX = {"number": 23, "straight": 7, "left": 2, "right": 9}

lacking = camera.missing_requirement()
pytestmark = pytest.mark.skipif(lacking is not None, reason=lacking or "")


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


class Visitor:
    """What a person does with the page: reads it, presses, types, and shows a face to the camera."""

    def __init__(self, browser, live: camera.LiveCamera, address: str) -> None:
        self.browser, self.live, self.address = browser, live, address

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
        self.find("#consent").click()
        if findable:
            self.find("#findable").click()

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


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("faceid")


@pytest.fixture(scope="module")
def address(place):
    with running_server(place) as found:
        yield found


@pytest.fixture(scope="module")
def seen(place, address):
    live = camera.LiveCamera(place / "camera.y4m")
    browser = camera.start_chromium(place / "profile", live.path, f"host-resolver-rules=MAP {FOREIGN} 127.0.0.1")
    try:
        yield Visitor(browser, live, address)
    finally:
        browser.quit()
        live.close()


@pytest.fixture
def visitor(seen):
    """Before the start page; afterwards nothing may have failed inside the page."""
    yield seen.open()
    told = [line["message"] for line in seen.browser.get_log("browser")]
    assert not [line for line in told if "Uncaught" in line or "Content Security Policy" in line], told


REFUSED = "You could not be logged in."


def test_log_in_with_other_photographs_than_those_of_the_sign_up(visitor):
    visitor.sign_up("Kim", KIM)
    assert visitor.log_in("Kim", KIM) == "You are logged in."
    assert visitor.view == "account" and visitor.text("#signed-in") == "Kim"
    visitor.log_out()
    assert visitor.text("#message") == "You are logged out."


def test_a_stranger_a_wrong_claim_and_an_unknown_name_are_refused_in_the_same_words(visitor):
    visitor.sign_up("Robin", ROBIN)
    visitor.sign_up("Toni", TONI)
    for name, who in (("Robin", ALEX), ("Robin", TONI), ("Nobody", ALEX)):
        assert visitor.log_in(name, who) == REFUSED
        assert visitor.view == "log-in"
        visitor.press_shown("start")
        visitor.wait(lambda: visitor.view == "home")
    assert visitor.log_in("Robin", ROBIN) == "You are logged in.", "the face of the claimed account must do"


def test_a_wall_and_two_people_give_a_hint_and_no_shot(visitor):
    visitor.fill_sign_up("Eve")
    visitor.press("Take five shots")
    visitor.wait(lambda: "No face was found" in visitor.text("#hint"))
    visitor.live.show(camera.side_by_side(camera.person_pictures(35)[1], camera.person_pictures(39)[1]))
    visitor.wait(lambda: "more than one face" in visitor.text("#hint"))
    assert not visitor.find("#lab").is_displayed(), "scores are for lab mode alone"
    assert visitor.step() == 0 and visitor.text("#progress") == "0 of 5 shots taken"
    visitor.press("Cancel")
    visitor.wait(lambda: visitor.view == "sign-up")
    assert not visitor.filming and "Cancelled" in visitor.text("#message")


def test_who_am_i_finds_only_those_who_may_be_found(visitor):
    visitor.sign_up("Sam", SAM, findable=True)
    visitor.sign_up("Kim again", KIM)
    assert visitor.who_am_i(camera.person_pictures(SAM["number"])[SAM["other"]]) == "You look like Sam."
    assert visitor.who_am_i(camera.person_pictures(KIM["number"])[KIM["other"]]).startswith("Nobody")


def test_my_data_and_delete_me_leaves_no_byte_of_the_template(visitor, place):
    visitor.sign_up("Sam Unforgotten", SAM)
    assert visitor.log_in("Sam Unforgotten", SAM) == "You are logged in."
    visitor.press("My data")
    visitor.wait(lambda: visitor.view == "data")
    assert "Sam Unforgotten" in visitor.text("#data") and "Encrypted templates" in visitor.text("#data")
    assert visitor.find('[data-view="data"] a[download]').get_attribute("href") == f"{visitor.address}/api/me"
    visitor.press_shown("start")
    visitor.wait(lambda: visitor.view == "account")

    secrets = [*template_of("Sam Unforgotten", place), b"Sam Unforgotten", b"sam unforgotten"]
    files = [path for path in (place / "faceid").rglob("*") if path.is_file()]
    assert any(secrets[0] in path.read_bytes() for path in files), "before, the sealed template is in a file"
    visitor.press("Delete me")
    visitor.wait(lambda: visitor.view == "delete")
    visitor.press("Yes, delete me")
    visitor.wait(lambda: visitor.view == "home")
    files = [path for path in place.rglob("*") if path.is_file() and "profile" not in path.parts]
    for path in files:
        data = path.read_bytes()
        assert not any(piece in data for secret in secrets for piece in pieces(secret)), path
    assert visitor.log_in("Sam Unforgotten", SAM) == REFUSED


def template_of(name: str, place: Path) -> list[bytes]:
    """The sealed template of an account as it is stored, and the open one that it holds."""
    from facelab.webapp.account_store import SealedTemplate
    from facelab.webapp.vault import open_vault

    with contextlib.closing(sqlite3.connect(place / "faceid" / "faceid.sqlite")) as database:
        columns = "account, name, key, consent, findable, fingerprint, sealed"
        question = f"SELECT {columns} FROM templates JOIN accounts ON id = account WHERE name = ?"
        [row] = database.execute(question, (name,))
    stored = SealedTemplate(*row)
    vault = open_vault(place / "faceid.key", place / "faceid")
    return [stored.sealed_bytes, vault.open(stored.sealed_bytes, *stored.bound_to)]


def pieces(secret: bytes) -> list[bytes]:
    """A secret in pieces of 16 bytes: a file may keep half of it."""
    return [secret[start : start + 16] for start in range(0, max(1, len(secret) - 15), 16)]


def test_a_hidden_page_stops_filming(visitor):
    visitor.fill_sign_up("Hidden")
    visitor.press("Take five shots")
    visitor.wait(lambda: visitor.filming)
    page = visitor.browser.current_window_handle
    visitor.browser.switch_to.new_window("tab")
    visitor.browser.close()
    visitor.browser.switch_to.window(page)
    visitor.wait(lambda: "the page was hidden" in visitor.text("#message"))
    assert not visitor.filming


def test_each_problem_of_the_camera_is_explained(visitor):
    def told(words: str) -> bool:
        visitor.press("Start camera")
        visitor.wait(lambda: words in visitor.text("#message"))
        return not visitor.filming

    visitor.allow_camera("denied")
    assert told("allow the camera for this page")
    visitor.allow_camera("granted")
    aside = visitor.live.path.rename(visitor.live.path.with_suffix(".aside"))  # Chromium's fake camera is this file
    assert told("No camera was found.")
    aside.rename(visitor.live.path)
    busy = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotReadableError'))"
    visitor.browser.execute_script(busy)
    assert told("Another program may be using it")


def test_an_address_that_gets_no_camera_is_explained(visitor):
    """Over http, browsers give the camera to localhost alone. The service refuses foreign names, so files stand in for it."""
    serve = partial(QuietFiles, directory=Path(facelab.__file__).parent / "webapp")
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        visitor.browser.get(f"http://{FOREIGN}:{pages.server_port}/page/index.html")
        visitor.press("Start camera")
        visitor.wait(lambda: "safe pages only" in visitor.text("#message"))
        pages.shutdown()


class QuietFiles(SimpleHTTPRequestHandler):
    """Files, without a line on the screen for each."""

    def log_message(self, *_) -> None:
        pass


def test_every_view_fits_a_screen_of_320_pixels(visitor):
    size = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True}
    visitor.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    widths = visitor.browser.execute_script("""
        return [...document.querySelectorAll("[data-view]")].map(view => {
          view.hidden = false;
          const wide = document.documentElement.scrollWidth;
          view.hidden = true;
          return [view.dataset.view, wide];
        });
    """)
    visitor.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert len(widths) == 8 and all(wide <= 320 for _, wide in widths), widths


def test_a_sign_up_by_keyboard_alone(visitor):
    keyboard = Keyboard(visitor.browser)
    keyboard.go_to("Sign up").press("ENTER")
    visitor.wait(lambda: keyboard.focused == "sign-up-name")
    keyboard.write("Keys")
    keyboard.go_to("consent").press("SPACE")
    keyboard.go_to("Take five shots").press("ENTER")
    visitor.wait(lambda: keyboard.focused == "running-title")
    keyboard.go_to("Cancel")
    visitor.show_shots(ROBIN)
    visitor.wait(lambda: visitor.view == "log-in")
    assert "Keys" in visitor.text("#message")
    assert keyboard.focused == "log-in-name"


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
