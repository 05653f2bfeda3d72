"""A passkey beside the face: who gets in with it, what does not fit, and what is told of it to whom."""

import hypothesis
import pytest
import schemathesis
from faceid import HEADERS, consent_version, log_in, new_service, open_client, own_frames, sign_up
from factors import HERE, Kept, code, sealed_factor
from fastapi.testclient import TestClient
from hypothesis import HealthCheck
from hypothesis import strategies as st
from passkeys import PRESENT, VERIFIED, Device
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor, parse_cbor

from facelab.webapp.api import new_app
from facelab.webapp.passkey import Passkey
from facelab.webapp.problems import Problem
from facelab.webapp.second_factor import Proof


@pytest.fixture
def passkeys(tmp_path):
    kept = Kept(tmp_path, Passkey(HERE))
    yield kept
    kept.store.close()


@pytest.fixture
def by_passkey(tmp_path):
    with open_client(new_service(tmp_path, second_factor="passkey", urls=HERE)) as client:
        yield client


def make_passkey(client, device: Device, name: str) -> dict:
    return device.create(client.post("/api/passkey/creation", json={"name": name}).json()["public_key"])


def use_passkey(client, device: Device, identity: bytes | None = None) -> dict:
    return device.get(client.post("/api/passkey/request").json()["public_key"], identity)


def sign_up_by_passkey(client, device: Device, name: str, person: int) -> None:
    assert sign_up(client, name, person, passkey=make_passkey(client, device, name)).status_code == 201


def test_passkey_and_face_let_in_and_the_count_is_kept(by_passkey, tmp_path):
    device = Device()
    sign_up_by_passkey(by_passkey, device, "Ada", 1)
    kept = sealed_factor(tmp_path)
    assert log_in(by_passkey, "Ada", *own_frames(1), passkey=use_passkey(by_passkey, device))["state"] == "in"
    assert sealed_factor(tmp_path) != kept
    assert by_passkey.get("/api/me").json()["second_factor"] == "passkey"


def test_a_device_that_does_not_count_is_let_in_again(by_passkey, tmp_path):
    device = Device(counts=False)
    sign_up_by_passkey(by_passkey, device, "Ada", 1)
    kept = sealed_factor(tmp_path)
    assert log_in(by_passkey, "Ada", *own_frames(1), passkey=use_passkey(by_passkey, device))["state"] == "in"
    assert sealed_factor(tmp_path) == kept
    assert by_passkey.post("/api/log-in", json={"name": "Ada", "passkey": use_passkey(by_passkey, device)}).is_success


def wrong_origin(kept: Kept, device: Device) -> dict:
    device.origin = "http://localhost:81"
    return kept.use(device)


def lookalike_origin(kept: Kept, device: Device) -> dict:
    device.origin = "http://localhost.evil.example"
    return kept.use(device)


def not_verified(kept: Kept, device: Device) -> dict:
    device.flags = PRESENT
    return kept.use(device)


def nobody_there(kept: Kept, device: Device) -> dict:
    device.flags = VERIFIED
    return kept.use(device)


def copied_device(kept: Kept, device: Device) -> dict:
    device.count = 2  # will say 3, which is not more than at the sign-up
    return kept.use(device)


def other_signature(kept: Kept, device: Device) -> dict:
    answer = kept.use(device)
    answer["response"]["signature"] = kept.use(device)["response"]["signature"]
    return answer


def other_passkey(kept: Kept, device: Device) -> dict:
    """Another one of the same device, by the name of the right one."""
    right = list(device.made)[-1]
    kept.make(device, "Another")
    answer, named = kept.use(device), kept.use(device, right)
    return answer | {"id": named["id"], "rawId": named["rawId"]}


def other_handle(kept: Kept, device: Device) -> dict:
    device.made[list(device.made)[-1]].handle = "AAAA"
    return kept.use(device)


def no_handle(kept: Kept, device: Device) -> dict:
    answer = kept.use(device)
    del answer["response"]["userHandle"]
    return answer


SPOILT = [
    wrong_origin, lookalike_origin, not_verified, nobody_there, copied_device, other_signature, other_passkey,
    other_handle, no_handle,
]  # fmt: skip


def test_a_passkey_that_does_not_fit_is_refused(passkeys):
    for spoil in SPOILT:
        device = Device()
        device.count = 3
        passkeys.add(spoil.__name__, passkeys.make(device, spoil.__name__))
        assert passkeys.factors.check(spoil.__name__, Proof(passkey=spoil(passkeys, device))) is None, spoil
        device = Device()
        passkeys.add(f"{spoil.__name__} control", passkeys.make(device, "control"))
        assert passkeys.factors.check(f"{spoil.__name__} control", Proof(passkey=passkeys.use(device)))


def test_a_passkey_of_somebody_else_is_refused(passkeys):
    ann, mallory = Device(), Device()
    passkeys.add("Ann", passkeys.make(ann, "Ann"))
    passkeys.add("Mallory", passkeys.make(mallory, "Mallory"))
    assert passkeys.factors.check("Ann", Proof(passkey=passkeys.use(mallory))) is None
    assert passkeys.factors.check("Ann", Proof(passkey=passkeys.use(ann)))


def test_an_answer_is_taken_once(by_passkey):
    device = Device(counts=False)
    sign_up_by_passkey(by_passkey, device, "Ada", 1)
    answer = use_passkey(by_passkey, device)
    first, again = (by_passkey.post("/api/log-in", json={"name": "Ada", "passkey": answer}) for _ in range(2))
    assert first.status_code == 201 and code(again) == (404, "expired")
    made = make_passkey(by_passkey, device, "Bob")
    fields = {"name": "Bob", "consent": consent_version(by_passkey), "passkey": made}
    first, again = (by_passkey.post("/api/sign-up", json=fields) for _ in range(2))
    assert first.status_code == 201 and code(again) == (404, "expired")


def test_of_two_log_ins_at_once_the_count_falls_behind_in_one(passkeys):
    """The second one was signed later and decided first."""
    device = Device()
    passkeys.add("Ada", passkeys.make(device, "Ada"))
    factors = passkeys.factors
    early, late = (factors.check("Ada", Proof(passkey=passkeys.use(device))) for _ in range(2))
    assert early and late and factors.settle(late, late.factor.account_id)
    assert not factors.settle(early, early.factor.account_id)
    assert not factors.settle(late, "another account") and not factors.settle(None, late.factor.account_id)


def test_a_challenge_expires(tmp_path, clock):
    with open_client(new_service(tmp_path, second_factor="passkey", urls=HERE, clock=clock)) as client:
        answer = make_passkey(client, Device(), "Ada")
        clock.now += 121
        told = client.post("/api/sign-up", json={"name": "Ada", "consent": consent_version(client), "passkey": answer})
        assert code(told) == (404, "expired")


def test_a_passkey_without_finger_face_or_pin_is_not_taken(passkeys):
    for flags in (PRESENT, VERIFIED, 0):
        with pytest.raises(Problem) as refused:
            passkeys.add("Ada", passkeys.make(Device(flags=flags), "Ada"))
        assert refused.value.code == "bad_passkey"


def test_making_is_not_using(by_passkey):
    device = Device()
    sign_up_by_passkey(by_passkey, device, "Ada", 1)
    asked = by_passkey.post("/api/passkey/request").json()["public_key"]
    made = device.create({"rp": {"id": "localhost"}, "user": {"id": "AAAA"}, "challenge": asked["challenge"]})
    told = by_passkey.post(
        "/api/sign-up", json={"name": "Bob", "consent": consent_version(by_passkey), "passkey": made}
    )
    assert code(told) == (422, "bad_passkey")


def test_what_a_browser_is_asked_for_tells_nothing_about_a_name(by_passkey):
    sign_up_by_passkey(by_passkey, Device(), "Ada", 1)
    asked = by_passkey.post("/api/passkey/request").json()["public_key"]  # it does not even say who is claimed
    assert asked["allowCredentials"] == [] and asked["userVerification"] == "required" and asked["rpId"] == "localhost"
    device = Device()
    make_passkey(by_passkey, device, "Nobody")
    begun = [
        by_passkey.post("/api/log-in", json={"name": name, "passkey": use_passkey(by_passkey, device)}).json()
        for name in ("Ada", "Nobody")
    ]
    assert [{**one, "challenge": len(one["challenge"])} for one in begun] == 2 * [
        {**begun[0], "challenge": len(begun[0]["challenge"])}
    ]


def test_a_new_passkey_is_for_one_new_name(by_passkey):
    sign_up_by_passkey(by_passkey, Device(), "Ada", 1)
    assert code(by_passkey.post("/api/passkey/creation", json={"name": "ADA"})) == (409, "name_taken")
    asked = [by_passkey.post("/api/passkey/creation", json={"name": "Bob"}).json()["public_key"] for _ in range(2)]
    assert asked[0]["user"]["id"] != asked[1]["user"]["id"] and asked[0]["challenge"] != asked[1]["challenge"]
    assert asked[0]["authenticatorSelection"]["userVerification"] == "required"


def test_at_an_address_without_a_name_it_is_said(tmp_path):
    """The service answers there, too, but no browser has passkeys for it."""
    service = new_service(tmp_path, second_factor="passkey", urls=HERE)
    app = new_app(service, ("localhost", "127.0.0.1"))
    for host, status in (("localhost", 200), ("127.0.0.1", 422)):
        with TestClient(app, base_url=f"http://{host}", headers=HEADERS) as client:
            answer = client.post("/api/passkey/request")
            assert answer.status_code == status
    assert code(answer) == (422, "no_passkey_here")
    service.close()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def test_whatever_is_sent_for_a_passkey_is_answered(tmp_path):
    """Parts of a true answer are replaced, cut, or have bits turned, at a challenge that is true."""
    with open_client(new_service(tmp_path, second_factor="passkey", urls=HERE)) as client:
        service, device = client.app.state.service, Device()
        make = service._factors.method

        @hypothesis.settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @hypothesis.seed(0)
        @hypothesis.given(
            part=st.sampled_from(
                ["attestationObject", "authenticatorData", "signature", "userHandle", "id", "rawId", "type"]
            ),
            junk=JUNK,
            place=st.integers(0, 400),
            bit=st.integers(0, 7),
            how=st.sampled_from(["replace", "cut", "turn"]),
            using=st.booleans(),
        )
        def send(part, junk, place, bit, how, using):
            made = device.create(make.creation_options("Ada", "localhost", "here"))
            answer = device.get(make.request_options("localhost", "here")) if using else made
            whole = answer if part in answer else answer["response"]
            whole[part] = spoilt(whole.get(part, ""), junk, place, bit, how)
            path, more = ("/api/log-in", {}) if using else ("/api/sign-up", {"consent": consent_version(client)})
            service._log_in_starts._times.clear()
            service._sign_up_starts._times.clear()
            told = client.post(path, json={"name": "Ada", "passkey": answer} | more)
            assert told.status_code in (201, 422), told.text

        send()


def spoilt(text: str, junk, place: int, bit: int, how: str):
    if how == "replace" or not text or text == "public-key":
        return junk
    data = bytearray(base64url_to_bytes(text))
    if how == "cut":
        return bytes_to_base64url(bytes(data[: place % len(data)]))
    data[place % len(data)] ^= 1 << bit
    return bytes_to_base64url(bytes(data))


@pytest.mark.parametrize("told", [b"[" * 1400, b'{"a":' * 280])
def test_nesting_without_end_is_answered(by_passkey, told):
    answer = {"response": {"clientDataJSON": bytes_to_base64url(told)}}
    for path, more in (("sign-up", {"consent": consent_version(by_passkey)}), ("log-in", {})):
        assert code(by_passkey.post(f"/api/{path}", json={"name": "A", "passkey": answer} | more)) == (
            422,
            "bad_passkey",
        )


@pytest.mark.parametrize("key", [[], {}, 1, "key"])
def test_a_public_key_that_is_none_is_not_taken(by_passkey, key):
    device = Device()
    answer = make_passkey(by_passkey, device, "Ada")
    made = parse_cbor(base64url_to_bytes(answer["response"]["attestationObject"]))
    before = 37 + 16 + 2 + 32  # flags and count, then make, length and id of the passkey (WebAuthn, 6.5.1)
    spoilt = made | {"authData": made["authData"][:before] + encode_cbor(key)}
    answer["response"]["attestationObject"] = bytes_to_base64url(encode_cbor(spoilt))
    told = by_passkey.post(
        "/api/sign-up", json={"name": "Ada", "consent": consent_version(by_passkey), "passkey": answer}
    )
    assert code(told) == (422, "bad_passkey")


def test_the_description_is_kept(tmp_path):
    service = new_service(tmp_path, second_factor="passkey", urls=("https://testserver",))
    described = schemathesis.openapi.from_asgi("/openapi.json", new_app(service, ("testserver",)))
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    paths = ("/api/passkey/creation", "/api/passkey/request", "/api/sign-up", "/api/log-in")

    @hypothesis.settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @hypothesis.seed(0)
    @hypothesis.given(case=st.one_of(*(described[path]["POST"].as_strategy() for path in paths)))
    def ask(case):
        case.call_and_validate(checks=checks)

    ask()
    service.close()
