"""Which second factor is asked for, and what changes of the database, another start and a deletion do to it."""

import re

import pytest
from faceid import (
    PNG,
    REFUSED,
    consent_version,
    log_in,
    new_service,
    open_client,
    own_frames,
    project_calibration,
    project_liveness,
    sign_up,
)
from faceid_app import make_certificate, refused
from factors import HERE, WORDS, Kept, code, sealed_factor
from kept_accounts import audited, change

from facelab.commands.app import app
from facelab.errors import FacelabError
from facelab.webapp import passphrase, server
from facelab.webapp.account_factors import choose_kind
from facelab.webapp.consent import consent_text
from facelab.webapp.passkey import passkey_origins
from facelab.webapp.second_factor import Proof

pytestmark = pytest.mark.usefixtures("quick_passphrases")


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("none", [{"passphrase": WORDS}, {"passkey": {}}]),
        ("passphrase", [{}, {"passkey": {}}, {"passphrase": WORDS, "passkey": {}}]),
        ("passkey", [{}, {"passphrase": WORDS}, {"passphrase": WORDS, "passkey": {}}]),
    ],
)
def test_what_is_not_asked_for_is_refused_whoever_is_claimed(tmp_path, kind, wrong):
    with open_client(new_service(tmp_path, second_factor=kind, urls=HERE)) as client:
        for path, more in (("/api/sign-up", {"consent": consent_version(client)}), ("/api/log-in", {})):
            for given in wrong:
                assert code(client.post(path, json={"name": "Ada"} | more | given)) == (422, "wrong_factor")
        if kind != "passkey":
            assert code(client.post("/api/passkey/request")) == (422, "wrong_factor")
            assert code(client.post("/api/passkey/creation", json={"name": "Ada"})) == (422, "wrong_factor")


def test_an_account_of_another_kind_is_refused_like_any_other(tmp_path):
    """Also where the service asks for less than before: nobody gets rid of the factor by starting it in another way."""
    with open_client(new_service(tmp_path, second_factor="passphrase")) as client:
        sign_up(client, "Ada", 1, passphrase=WORDS)
    service = new_service(tmp_path)
    assert service.store.count_accounts_with_other_factor("none") == 1
    with open_client(service) as client:
        assert log_in(client, "Ada", *own_frames(1)) == REFUSED
    service = new_service(tmp_path, second_factor="passphrase")
    assert service.store.count_accounts_with_other_factor("passphrase") == 0
    with open_client(service) as client:
        assert log_in(client, "Ada", *own_frames(1), passphrase=WORDS)["state"] == "in"


def test_who_am_i_is_as_it_was(by_passphrase):
    sign_up(by_passphrase, "Ada", 1, findable=True, passphrase=WORDS)
    assert by_passphrase.post("/api/who-am-i", content=own_frames(1)[0], headers=PNG).json()["name"] == "Ada"
    assert by_passphrase.get("/api/me").status_code == 401


# ---- what somebody changed in the database


def test_swapped_factors_let_nobody_in(tmp_path):
    """Mallory, who has Ann's photograph, gives her the own passphrase."""
    kept = Kept(tmp_path, passphrase.Passphrase())
    kept.add("Ann", Proof(passphrase=WORDS))
    kept.add("Mallory", Proof(passphrase="seven blue carpets"))
    own = "(SELECT factor_sealed FROM accounts WHERE name = 'Mallory')"
    change(tmp_path, f"UPDATE accounts SET factor_sealed = {own} WHERE name = 'Ann'")
    assert kept.factors.check("Ann", Proof(passphrase="seven blue carpets")) is None
    assert audited(tmp_path)[-1] == ("open_factor", "damaged")
    assert kept.factors.check("Mallory", Proof(passphrase="seven blue carpets"))


def test_a_factor_that_was_taken_away_lets_nobody_in(tmp_path):
    """The service is started without one, and the row says none, too: the template tells."""
    with open_client(new_service(tmp_path, second_factor="passphrase")) as client:
        sign_up(client, "Ann", 1, passphrase=WORDS)
    change(tmp_path, "UPDATE accounts SET factor = 'none', factor_sealed = NULL")
    with open_client(new_service(tmp_path)) as client:
        assert log_in(client, "Ann", *own_frames(1)) == REFUSED
    assert ("open_template", "damaged") in audited(tmp_path)


def test_a_damaged_factor_is_refused_and_stops_nobody_else(tmp_path):
    passphrases = Kept(tmp_path, passphrase.Passphrase())
    values = ("NULL", "''", "X''", "7", "'text'", "substr(factor_sealed, 1, 60)", "randomblob(200)", "1.5")
    kinds = ("'none'", "'passkey'", "''", "X'FF'", "7")
    for damage in [f"factor_sealed = {value}" for value in values] + [f"factor = {kind}" for kind in kinds]:
        passphrases.add(damage, Proof(passphrase=WORDS))
        assert passphrases.factors.check(damage, Proof(passphrase=WORDS))
        name = damage.replace("'", "''")
        change(tmp_path, f"UPDATE accounts SET {damage} WHERE name = '{name}'")
        assert passphrases.factors.check(damage, Proof(passphrase=WORDS)) is None, damage
    assert audited(tmp_path).count(("open_factor", "damaged")) == len(values)
    passphrases.add("Bob", Proof(passphrase=WORDS))
    assert passphrases.factors.check("Bob", Proof(passphrase=WORDS))


def test_a_deleted_account_leaves_nothing_of_its_factor(by_passphrase, tmp_path):
    sign_up(by_passphrase, "Ada", 1, passphrase=WORDS)
    sealed = sealed_factor(tmp_path)
    assert log_in(by_passphrase, "Ada", *own_frames(1), passphrase=WORDS)["state"] == "in"

    def in_a_file() -> bool:
        parts = [sealed[start : start + 16] for start in range(0, len(sealed) - 15, 16)]
        raw = [path.read_bytes() for path in (tmp_path / "accounts").iterdir()]
        return any(part in data for part in parts for data in raw)

    assert in_a_file()
    assert by_passphrase.delete("/api/me").status_code == 200
    assert not in_a_file()


def test_the_kind_follows_from_where_it_is_served():
    alone, others = ["http://127.0.0.1:8000"], ["https://faces.example:8000"]
    assert choose_kind(None, True, alone) == "none"
    assert choose_kind(None, False, others) == "passkey"
    assert choose_kind("passphrase", True, alone) == choose_kind("passphrase", False, others) == "passphrase"
    with pytest.raises(FacelabError, match="Other machines can reach .* passkey or passphrase"):
        choose_kind("none", False, others)
    with pytest.raises(FacelabError, match="no second factor 'retina'.*none or passphrase or passkey"):
        choose_kind("retina", True, alone)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("none", ["Your face alone lets you in"]),
        ("passphrase", ["your passphrase is checked by", "keeps others out", "face is there for"]),
        ("passkey", ["public key of your passkey", "keeps others out", "face is there for"]),
    ],
)
def test_the_consent_says_what_is_kept_and_how_sure_the_face_is(kind, said):
    measured = project_calibration()
    agreed = consent_text(30, 365, kind, measured, project_liveness())
    text = " ".join(agreed.paragraphs)
    assert all(part in text for part in said)
    assert f"(30 days, log 365 days, second factor {kind}, text " in agreed.version
    assert "A line of the log is kept for 365 days" in text
    assert f"{100 * measured.fmr.value:.2g} % of {measured.impostors:,} comparisons" in text
    assert f"{100 * measured.fmr.high:.2g} %)" in text
    assert "a log of your sign-up, of log-ins with your name, also refused ones" in text  # as the audit keeps them


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Of the accounts of ``facelab app``, which serves nobody here."""
    monkeypatch.setenv("FACELAB_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setattr(server, "run_service", lambda service, *_: service.close())
    return tmp_path / "accounts"


def test_the_command_refuses_what_cannot_be_before_it_makes_anything(folder, tmp_path):
    cert, key = make_certificate(tmp_path / "named", "faces.example")
    beyond = {"host": "0.0.0.0", "cert": str(cert), "key": str(key), "folder": str(folder)}
    assert "a face alone is too weak" in refused(**beyond, second_factor="none")
    here = {"folder": str(folder)}
    assert re.search(
        "has none: http://127.0.0.1:[0-9]+. Give --host localhost", refused(**here, second_factor="passkey")
    )
    assert "no second factor 'finger'" in refused(**here, second_factor="finger")
    cert, key = make_certificate(tmp_path / "number", "192.0.2.7")
    assert "Passkeys belong to a name" in refused(**beyond | {"cert": str(cert), "key": str(key)})
    assert not folder.exists() and not (tmp_path / "key").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "second factor: none\n"),
        ({"second_factor": "passphrase"}, "second factor: passphrase\n"),
        ({"second_factor": "passkey", "host": "localhost"}, "second factor: passkey, at http://localhost:"),
    ],
)
def test_the_command_says_which_one_it_asks_for(folder, capsys, given, said):
    app(port=0, folder=str(folder), **given)
    assert said in capsys.readouterr().out


def test_beyond_this_machine_it_is_a_passkey_and_old_accounts_are_counted(folder, tmp_path, capsys):
    with open_client(new_service(tmp_path, second_factor="passphrase")) as client:
        sign_up(client, "Ada", 1, passphrase=WORDS)
    cert, key = make_certificate(tmp_path / "named", "faces.example")
    app(port=0, host="0.0.0.0", cert=str(cert), key=str(key), folder=str(folder))
    told = capsys.readouterr().out
    assert re.search("second factor: passkey, at https://faces.example:[0-9]+ alone", told)
    assert "1 accounts have another second factor: they cannot log in with this one." in told


@pytest.mark.parametrize("kind", [None, "passkey"])
@pytest.mark.parametrize("urls", [["https://192.0.2.7:8000"], ["https://[2001:db8::1]:8000", "https://192.0.2.7:8000"]])
def test_passkeys_need_a_name(kind, urls):
    with pytest.raises(FacelabError, match="Passkeys belong to a name.*--host localhost") as told:
        choose_kind(kind, False, urls)
    assert "\n" not in str(told.value)


def test_origins_are_those_of_names_as_browsers_write_them():
    urls = [
        "https://faces.example:443",
        "https://192.0.2.7:443",
        "http://localhost:80",
        "https://xn--bcher-kva.example:8443",
    ]
    assert passkey_origins(urls) == {
        "faces.example": "https://faces.example",
        "localhost": "http://localhost",
        "xn--bcher-kva.example": "https://xn--bcher-kva.example:8443",
    }
    with pytest.raises(FacelabError):
        passkey_origins(["http://faces.example:80"])  # no browser makes a passkey there
