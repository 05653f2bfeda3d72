"""The Face-ID page where something is missing: the camera's answer, its picture, the server's answer, room, or eyes."""

from __future__ import annotations

import importlib.util
import itertools
import threading
from dataclasses import replace
from pathlib import Path

import anyio.from_thread
import camera
import numpy as np
import pytest
from faceid import new_service
from faceid_app import running
from visitor import LIMIT, Keyboard, sent_visitor

from facelab.webapp.account_store import Account
from facelab.webapp.problems import Problem
from facelab.webapp.quality import HINTS, Hint
from facelab.webapp.replay import LOOKED_LIKE_A_RECORDING
from facelab.webapp.seen_table import KEPT_DAYS
from facelab.webapp.server import ServerAddress
from facelab.webapp.service import FrameOutcome
from facelab.webapp.signup import SHOTS

lacking = camera.missing_requirement()
pytestmark = pytest.mark.skipif(lacking is not None, reason=lacking or "")

SCREENS = {"desktop": (1280, 800), "phone": (390, 844), "phone on its side": (640, 320)}

NO_FRAMES = "new MediaStream([new MediaStreamTrackGenerator({kind: 'video'})])"
#: The camera is granted, and its stream kept, when the test calls ``grant``.
ASKING_FOR_EVER = """
    const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices);
    window.streams = [];
    devices.getUserMedia = wanted => new Promise(resolve => {
      window.grant = async () => { window.streams.push(await ask(wanted)); resolve(window.streams.at(-1)); };
    });
"""
#: All that the page waits for takes so many times less.
FASTER = """
    const factor = arguments[0], wait = window.setTimeout, now = performance.now.bind(performance);
    window.setTimeout = (work, milliseconds) => wait(work, milliseconds / factor);
    performance.now = () => factor * now();
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    return new_service(tmp_path_factory.mktemp("faceid"))


@pytest.fixture(scope="module")
def seen(service, tmp_path_factory):
    with (
        running(service, ServerAddress(port=0)) as address,
        sent_visitor(tmp_path_factory.mktemp("browser"), address) as somebody,
    ):
        yield somebody


@pytest.fixture
def visitor(seen):
    """Before the start page, on a desktop; afterwards nothing may have failed inside the page."""
    yield seen.open()
    seen.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    seen.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    seen.check_log()


def begin_log_in(visitor, name: str = "Somebody") -> None:
    visitor.press("Log in")
    visitor.find("#log-in-name").send_keys(name)
    visitor.press("Log in with my face")


def script_shots(service, monkeypatch, *hints: Hint | None) -> None:
    """The service's answers to the frames of a sign-up, whatever they show: a hint, or None for a shot that is taken."""
    answers, taken = iter(hints), 0

    def answer(*_) -> FrameOutcome:
        nonlocal taken
        hint = next(answers)
        taken += hint is None
        wanted = SHOTS[taken].instruction if taken < len(SHOTS) else None
        return FrameOutcome("again" if hint else "taken", wanted, hint, shots_taken=taken)

    monkeypatch.setattr(service, "submit_shot", answer)


def use_screen(visitor, size: tuple[int, int]) -> None:
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 800}
    visitor.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


# ---- the camera's answer


def test_cancel_works_while_the_browser_asks_for_the_camera(visitor):
    visitor.browser.execute_script(ASKING_FOR_EVER)
    begin_log_in(visitor)
    visitor.press("Cancel")
    assert visitor.view == "log-in" and "Cancelled" in visitor.text("#message")

    visitor.press("Log in with my face")
    visitor.wait(lambda: visitor.view == "running")
    Keyboard(visitor.browser).press("ESCAPE")
    assert visitor.view == "log-in"

    visitor.press("Start camera")
    visitor.press("Cancel")
    assert visitor.text("#camera") == "Start camera"


def test_a_camera_that_is_granted_too_late_is_stopped_at_once(visitor):
    visitor.browser.execute_script(ASKING_FOR_EVER)
    begin_log_in(visitor)
    visitor.press("Cancel")
    visitor.browser.execute_async_script("grant().then(arguments[0])")
    tracks = "return streams.map(stream => stream.getTracks().map(track => track.readyState))"
    visitor.wait(lambda: visitor.browser.execute_script(tracks) == [["ended"]])
    assert not visitor.filming

    visitor.press("Log in with my face")  # and one that is wanted again is not taken for the late one
    visitor.wait(lambda: visitor.view == "running")
    visitor.browser.execute_async_script("grant().then(arguments[0])")
    visitor.wait(lambda: visitor.text("#hint"))
    assert visitor.filming and visitor.browser.execute_script(tracks) == [["ended"], ["live"]]
    visitor.press("Cancel")


# ---- the camera's picture


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(NO_FRAMES, id="no frame comes"),
        pytest.param(f"(video.play = async () => {{}}, {NO_FRAMES})", id="0 x 0"),
    ],
)
def test_a_camera_without_a_picture_is_named_and_stopped(visitor, stream):
    visitor.browser.execute_script(FASTER, 20)
    visitor.browser.execute_script(f"navigator.mediaDevices.getUserMedia = async () => (window.stream = {stream})")
    begin_log_in(visitor)
    visitor.wait(lambda: "delivers no picture" in visitor.text("#message"))
    assert visitor.view == "log-in" and not visitor.filming
    assert visitor.browser.execute_script("return stream.getTracks()[0].readyState") == "ended"


def test_a_picture_that_stands_still_is_no_picture(visitor):
    visitor.browser.execute_script("""
        const canvas = document.createElement("canvas");
        let left = 20;
        const draw = () => canvas.getContext("2d").fillRect(left, left, 9, 9) || (left-- && setTimeout(draw, 20));
        navigator.mediaDevices.getUserMedia = async () => (draw(), canvas.captureStream());
    """)
    visitor.browser.execute_script(FASTER, 10)
    visitor.press("Start camera")
    visitor.wait(lambda: visitor.find("#video").is_displayed())
    visitor.wait(lambda: "delivers no picture" in visitor.text("#message"))
    assert not visitor.filming


def test_a_black_picture_is_told_from_one_without_a_face(visitor):
    visitor.live.show(np.zeros_like(camera.GRAY))
    begin_log_in(visitor)
    visitor.wait(lambda: "The picture is black" in visitor.text("#hint"))
    visitor.live.show(camera.GRAY)
    visitor.wait(lambda: "No face was found" in visitor.text("#hint"))
    visitor.press("Cancel")


# ---- the server's answer


def test_a_frozen_server_is_said_and_the_camera_stops(visitor, service, monkeypatch):
    thawed, tokens, submit = threading.Event(), [], service.submit_shot

    def freeze(token, *frame):
        """From the first shot on the server's event loop stands still: nobody is answered."""
        tokens.append(token)
        anyio.from_thread.run_sync(thawed.wait, LIMIT)
        return submit(token, *frame)

    monkeypatch.setattr(service, "submit_shot", freeze)
    visitor.fill_sign_up("Frozen")
    visitor.browser.execute_script(FASTER, 5)
    visitor.press("Take five shots")
    visitor.wait(lambda: visitor.view == "sign-up")
    assert "has not answered for 15 seconds" in visitor.text("#message") and "try again" in visitor.text("#message")
    assert not visitor.filming and visitor.find("#sign-up-name").get_property("value") == "Frozen"

    thawed.set()
    visitor.wait(lambda: is_forgotten(service, tokens[0]))  # the page had asked for that, too
    monkeypatch.undo()
    visitor.press("Take five shots")
    visitor.wait(lambda: visitor.text("#progress") == "0 of 5 shots taken" and visitor.text("#hint"))
    visitor.press("Cancel")


def is_forgotten(service, token: str) -> bool:
    try:
        service.finish_sign_up(token)
    except Problem as problem:
        return problem.code == "expired"


def test_an_answer_that_breaks_off_is_a_server_that_does_not_answer(visitor):
    """The head of an answer comes, its body never ends."""
    visitor.browser.execute_script(FASTER, 20)
    visitor.browser.execute_script("""
        const real = window.fetch;
        window.fetch = async (path, options) => {
          const body = new ReadableStream({start(stream) {
            options.signal.addEventListener("abort", () => stream.error(options.signal.reason));
          }});
          return new Response(body, {headers: {"Content-Type": "application/json"}});
        };
    """)
    begin_log_in(visitor)
    visitor.wait(lambda: "has not answered for 15 seconds" in visitor.text("#message"))
    assert visitor.view == "log-in" and not visitor.filming


def test_what_may_have_been_done_without_an_answer_is_said(visitor, service, monkeypatch):
    """The answer to the end of a sign-up is lost: its account is there, or is not."""
    script_shots(service, monkeypatch, *[None] * len(SHOTS))
    visitor.fill_sign_up("Half")
    visitor.browser.execute_script("""
        const real = window.fetch;
        const lose = () => Promise.reject(new TypeError("Failed to fetch"));
        window.fetch = (path, options) => path.endsWith("/finish") ? lose() : real(path, options);
    """)
    visitor.press("Take five shots")
    visitor.wait(lambda: "The server does not answer." in visitor.text("#message"))
    assert "try to log in before you sign up again" in visitor.text("#message")


def test_a_frame_that_the_server_has_no_room_for_ends_nothing(visitor, service, monkeypatch):
    submit, refused = service.submit_shot, []

    def refuse_some(*frame):
        if len(refused) < 3:
            refused.append(frame)
            raise Problem("busy")
        return submit(*frame)

    monkeypatch.setattr(service, "submit_shot", refuse_some)
    visitor.fill_sign_up("Crowd")
    visitor.press("Take five shots")
    visitor.wait(lambda: visitor.text("#hint"))
    assert len(refused) == 3
    visitor.press("Cancel")


def test_who_has_to_wait_sees_for_how_long(visitor, service, monkeypatch):
    def refuse_for(seconds: float):
        raise Problem("too_often", seconds)

    monkeypatch.setattr(service, "begin_log_in", lambda *_: refuse_for(3))
    begin_log_in(visitor)
    button = visitor.find("#log-in-form [type=submit]")
    visitor.wait(lambda: "(in " in button.text)
    assert visitor.view == "log-in" and "Wait 3 seconds" in visitor.text("#message") and not button.is_enabled()
    visitor.wait(button.is_enabled)
    assert button.text == "Log in with my face"
    visitor.wait(lambda: visitor.text("#read-out") == "You can try again now.")

    monkeypatch.setattr(service, "begin_log_in", lambda *_: refuse_for(600))
    button.click()
    visitor.wait(lambda: "min)" in button.text)
    visitor.find("#log-in-name").send_keys("Another")  # whose wait it is not
    assert button.is_enabled() and button.text == "Log in with my face"


# ---- room


@pytest.mark.parametrize("screen", SCREENS)
def test_picture_guide_and_cancel_are_seen_without_scrolling(visitor, screen):
    width, height = SCREENS[screen]
    use_screen(visitor, (width, height))
    visitor.fill_sign_up("Small")  # its button lies below the consent text, so the page is scrolled
    visitor.press("Take five shots")
    visitor.wait(lambda: visitor.text("#hint"))
    boxes = visitor.browser.execute_script("""
        return ["video", "say", "hint", "cancel"].map(id => {
          const {left, top, right, bottom} = document.getElementById(id).getBoundingClientRect();
          return [id, left, top, right, bottom];
        });
    """)
    for what, left, top, right, bottom in boxes:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, what
    assert boxes[0][3] - boxes[0][1] >= 240, "the picture is large enough to see oneself"
    visitor.press("Cancel")


# ---- eyes


def test_each_step_is_read_out_once(visitor, service, monkeypatch):
    no_face, blurred = HINTS["no_face"], HINTS["blurred"]
    flickering = [no_face, blurred] * 3 + [None]  # faster than it can be heard
    standing = [no_face] * 10 + [None]
    script_shots(service, monkeypatch, *flickering, *standing, None, None, None)
    monkeypatch.setattr(service, "finish_sign_up", lambda _: "Blind")
    visitor.fill_sign_up("Blind")
    visitor.browser.execute_script(FASTER, 4)
    visitor.browser.execute_script("""
        const place = document.getElementById("read-out");
        window.readOut = [];
        new MutationObserver(() => readOut.push(place.textContent)).observe(place, {childList: true});
    """)
    visitor.press("Take five shots")
    visitor.wait(lambda: visitor.view == "log-in")
    said = visitor.browser.execute_script("return readOut")
    next_ones = [f"Step {number} of 5 is done. Next: {SHOTS[number].instruction}" for number in range(1, 5)]
    assert [text for text in said if text.startswith("Step")][:4] == next_ones
    assert said[:2] == ["Waiting for the camera. Allow it if the browser asks.", SHOTS[0].instruction]
    assert said.count(f"Not yet: {no_face.message}") in (1, 2), "and not with each frame"
    assert all(one != other for one, other in itertools.pairwise(said)), said
    live = visitor.browser.find_elements("css selector", "[role=status], [role=alert], [aria-live]")
    assert {one.get_attribute("id") for one in live} == {"message", "read-out"}


def test_who_read_a_text_that_has_changed_is_told_so(visitor, service, monkeypatch):
    visitor.fill_sign_up("Late")
    monkeypatch.setattr(service, "consent_text", replace(service.consent_text, version="another"))  # as after an update
    visitor.press("Take five shots")
    visitor.wait(lambda: "The text that you agree to has changed. Load the page again" in visitor.text("#message"))
    assert visitor.view == "sign-up" and not visitor.filming


@pytest.mark.parametrize(
    ("has_traces", "said"),
    [(False, "is removed from every file"), (True, "traces may stay in it until that is tried again")],
)
def test_a_deletion_says_whether_traces_are_left(visitor, service, monkeypatch, has_traces, said):
    ann = Account("1", "Ann", "ann", 1.8e9, None, "1", False, "none")
    monkeypatch.setattr(service, "session_account", lambda _: ann)
    monkeypatch.setattr(service, "delete_account", lambda _: has_traces)
    visitor.browser.get(visitor.address)
    visitor.wait(lambda: visitor.view == "account")
    visitor.press("Delete me")
    visitor.press("Yes, delete me")
    visitor.wait(lambda: said in visitor.text("#message"))
    assert ("every file" in visitor.text("#message")) != has_traces


def test_what_is_stored_and_why_is_told_in_words(visitor):
    assert f"a visit for at most {KEPT_DAYS:g} days" in " ".join(visitor.text("footer").split())
    rows = visitor.browser.execute_async_script(
        """
        const [row, done] = arguments, place = document.createElement("dl");
        import("/page/account.js").then(({fillAccountList}) => {
          fillAccountList(place, {remembered_visits: 2, audit: [row]});
          done([...place.querySelectorAll("dt, li")].map(line => line.textContent));
        });
        """,
        {"time": "2026-01-01T00:00:00Z", "event": "log_in", "outcome": LOOKED_LIKE_A_RECORDING},
    )
    assert rows[:2] == ["Visits of which check values are kept", "Log"]
    assert "it looked like a recording of an earlier visit" in rows[2]


#: Shows a view as it is when it is full, for a check of what is in it.
FULL_VIEW = """
    const [name, done] = arguments;
    Promise.all([import("/page/view.js"), import("/page/account.js")]).then(([view, account]) => {
      document.querySelectorAll("[hidden]:not([data-view])").forEach(one => { one.hidden = false; });
      view.showMessage("Something was said.", name === "home" ? "bad" : "good");
      view.showGuide("Look straight into the camera.", "No face was found.");
      view.showSteps(["Look straight.", "Turn.", "Look again."], 1, "1 of 3 shots taken");
      view.showLabTable({score: 0.5, threshold: 0.4});
      document.getElementById("who-answer").textContent = "You look like Ann.";
      account.fillAccountList(document.getElementById("data"), {
        name: "Ann", created: "2026-01-01T00:00:00Z", last_login: null, findable: true,
        consent: {version: "1", time: "2026-01-01T00:00:00Z"}, consent_text: "First.\\n\\nSecond.",
        audit: Array(40).fill({time: "2026-01-01T00:00:00Z", event: "log_in", outcome: "ok"}),
      });
      document.getElementById("running-title").textContent = "Log in";
      document.body.classList.toggle("running", name === "running");
      view.showView(name);
      done();
    });
"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, which comes with a package for another driver."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("needs axe-core (pip install axe-playwright-python)")
    return Path(found.origin).with_name("axe.min.js").read_text()


@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_axe_core_finds_nothing_in_any_view(visitor, axe, screen):
    use_screen(visitor, SCREENS[screen])
    visitor.browser.execute_script(axe)
    views = visitor.browser.execute_script(
        "return [...document.querySelectorAll('[data-view]')].map(view => view.dataset.view)"
    )
    assert len(views) == 8
    for view in views:
        visitor.browser.execute_async_script(FULL_VIEW, view)
        # all of WCAG 2.2 A and AA, of which axe-core leaves out the size of targets if it is not asked
        wcag = {"rules": {"target-size": {"enabled": True}}}
        for scheme, options in (("light", wcag), ("dark", {"runOnly": ["color-contrast"]})):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            visitor.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            results = visitor.browser.execute_async_script("axe.run(arguments[0]).then(arguments[1])", options)
            faults = [
                (rule["id"], node["target"], node["failureSummary"])
                for rule in results["violations"]
                for node in rule["nodes"]
            ]
            assert not faults, (view, scheme, faults)
            assert results["passes"], "axe-core looked at something"
