"""Face-ID as a person meets it: real headless Chromium, whose fake camera plays ORL photographs.

No log-in of an account shows what another log-in showed: that would be refused as a replay, and say nothing about the face.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import camera
import pytest
from visitor import ALEX, KIM, ROBIN, SAM, TONI, Keyboard, running_server, sent_visitor

import facelab

FOREIGN = "faceid.example"  # a name that Chromium is told to find here

lacking = camera.missing_requirement()
pytestmark = pytest.mark.skipif(lacking is not None, reason=lacking or "")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("faceid")


@pytest.fixture(scope="module")
def address(place):
    with running_server(place) as found:
        yield found


@pytest.fixture(scope="module")
def seen(place, address):
    with sent_visitor(place, address, f"host-resolver-rules=MAP {FOREIGN} 127.0.0.1") as somebody:
        yield somebody


@pytest.fixture
def visitor(seen):
    """Before the start page; afterwards nothing may have failed inside the page."""
    yield seen.open()
    seen.check_log()


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
        columns = "account, name, key, consent, findable, fingerprint, sealed, factor"
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
