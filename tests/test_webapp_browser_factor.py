"""A second factor in Chromium: a passkey from its virtual authenticator, and a passphrase that is typed."""

from __future__ import annotations

import camera
import pytest
from visitor import KIM, running_server, sent_visitor

lacking = camera.missing_requirement()
pytestmark = pytest.mark.skipif(lacking is not None, reason=lacking or "")


def add_authenticator(browser, verifies: bool = True) -> None:
    """A device with passkeys that asks for a finger; whether it is the right finger."""
    from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

    options = VirtualAuthenticatorOptions(
        protocol=VirtualAuthenticatorOptions.Protocol.CTAP2,
        transport=VirtualAuthenticatorOptions.Transport.INTERNAL,
        has_resident_key=True,
        has_user_verification=True,
        is_user_verified=verifies,
    )
    browser.add_virtual_authenticator(options)


@pytest.fixture(scope="module")
def somebody(tmp_path_factory):
    with sent_visitor(tmp_path_factory.mktemp("visitor"), "") as visitor:
        yield visitor


def test_a_passkey_is_made_and_used(tmp_path, somebody):
    with running_server(tmp_path, "--host", "localhost", "--second-factor", "passkey") as address:
        somebody.address = address.replace("127.0.0.1", "localhost")
        assert f"second factor: passkey, at {somebody.address} alone" in (tmp_path / "server.log").read_text()
        somebody.open()
        add_authenticator(somebody.browser)
        somebody.sign_up("Kim", KIM)
        [made] = somebody.browser.get_credentials()
        assert made.rp_id == "localhost" and made.is_resident_credential
        assert somebody.log_in("Kim", KIM) == "You are logged in."
        assert somebody.browser.get_credentials()[0].sign_count > made.sign_count
        somebody.log_out()

        somebody.browser.set_user_verified(False)  # the wrong finger
        somebody.press("Log in")
        somebody.find("#log-in-name").send_keys("Kim")
        somebody.press("Log in with my face")
        somebody.wait(lambda: "No passkey was given" in somebody.text("#message"))
        assert somebody.view == "log-in" and not somebody.filming
        somebody.browser.execute_script("delete window.PublicKeyCredential")  # as in an old browser
        somebody.press("Log in with my face")
        somebody.wait(lambda: "This browser has no passkeys" in somebody.text("#message"))
        somebody.check_log()


def test_a_passphrase_is_typed(tmp_path, somebody):
    """The dialogues begin with it; how they end is no matter of the page."""
    with running_server(tmp_path, "--second-factor", "passphrase") as somebody.address:
        somebody.open()
        somebody.passphrase = "Robin Robin Robin"
        somebody.fill_sign_up("Robin")
        field = somebody.find("#sign-up-passphrase")
        assert (field.get_attribute("autocomplete"), field.get_attribute("type")) == ("new-password", "password")
        somebody.find("[data-shows=sign-up-passphrase]").click()
        assert field.get_attribute("type") == "text"
        somebody.press("Take five shots")
        somebody.wait(lambda: "too easy to guess" in somebody.text("#message"))
        assert somebody.view == "sign-up" and not somebody.filming
        field.send_keys(" and a green ladder")
        somebody.press("Take five shots")
        somebody.wait(lambda: somebody.text("#progress") == "0 of 5 shots taken")
        somebody.press("Cancel")
        somebody.wait(lambda: somebody.view == "sign-up")

        somebody.press_shown("start")
        somebody.wait(lambda: somebody.view == "home")
        somebody.press("Log in")
        assert field.get_attribute("value") == ""
        somebody.find("#log-in-name").send_keys("Robin")
        somebody.press("Log in with my face")  # the browser itself asks for what is missing
        assert somebody.view == "log-in"
        somebody.find("#log-in-passphrase").send_keys("whatever it was")
        somebody.press("Log in with my face")
        somebody.wait(lambda: "seconds" in somebody.text("#progress"))
        somebody.press("Cancel")
        somebody.wait(lambda: somebody.view == "log-in")
        somebody.check_log()
