"""A passphrase beside the face: who gets in with it, which ones are too weak, and what is told of it to whom."""

import pytest
from faceid import REFUSED, consent_version, log_in, own_frames, sign_up
from factors import WORDS, Kept, code
from kept_accounts import audited

from facelab.webapp import passphrase
from facelab.webapp.problems import Problem
from facelab.webapp.second_factor import Proof

pytestmark = pytest.mark.usefixtures("quick_passphrases")


def test_passphrase_and_face_let_in(by_passphrase):
    assert by_passphrase.get("/api/state").json()["second_factor"] == "passphrase"
    assert sign_up(by_passphrase, "Ada", 1, passphrase="nine green ladde\u0301rs").status_code == 201
    # the same text as another keyboard writes it
    answer = log_in(by_passphrase, "Ada", *own_frames(1), passphrase="nine green ladd\u00e9rs")
    assert answer["state"] == "in"
    assert by_passphrase.get("/api/me").json()["second_factor"] == "passphrase"


def test_the_face_alone_lets_nobody_in(by_passphrase, tmp_path):
    sign_up(by_passphrase, "Ada", 1, passphrase=WORDS)
    assert log_in(by_passphrase, "Ada", *own_frames(1), passphrase="nine green snakes") == REFUSED
    assert audited(tmp_path)[-1] == ("log_in", "refused")


def test_only_the_whole_passphrase_fits(tmp_path):
    passphrases = Kept(tmp_path, passphrase.Passphrase())
    passphrases.add("Ada", Proof(passphrase=WORDS))
    assert passphrases.factors.check("Ada", Proof(passphrase=WORDS))
    for wrong in ("nine green ladder", "Nine green ladders", " nine green ladders", "x"):
        assert passphrases.factors.check("Ada", Proof(passphrase=wrong)) is None


def test_the_passphrase_alone_lets_nobody_in(by_passphrase):
    sign_up(by_passphrase, "Ada", 1, passphrase=WORDS)
    assert log_in(by_passphrase, "Ada", *own_frames(10), passphrase=WORDS) == REFUSED


def test_a_weak_passphrase_is_refused_before_any_picture(by_passphrase):
    for weak, name in (
        ("short", "Ada"),
        ("aaaaaaaaaaaaaaaaaaaaaa", "Ada"),
        ("Wilhelmine123", "Wilhelmine"),
        ("WILHELMINEwilhelmine1234567", "Wilhelmine"),
        (" " * 30, "Ada"),
        ("\u00a0\u2003" * 12, "Ada"),  # spaces of other kinds
    ):
        answer = by_passphrase.post(
            "/api/sign-up", json={"name": name, "consent": consent_version(by_passphrase), "passphrase": weak}
        )
        assert code(answer) == (422, "weak_passphrase")


def test_what_is_not_too_weak():
    for words in (WORDS, "aaaaaaaab cd", "馬".join("あいうえおかき")):
        passphrase.check_strength(words, "Ada")
    passphrase.check_strength("a banana in a bandana", "a")  # a name of one letter helps nobody who guesses
    with pytest.raises(Problem):
        passphrase.check_strength("ada lovelace 1815", "ada lovelace")


def test_what_is_no_text_is_no_passphrase(by_passphrase):
    """Half of a letter (a lone surrogate) is valid in JSON, and cannot be hashed."""
    agreed = b', "consent": "' + consent_version(by_passphrase).encode() + b'"'
    for path, more in (("/api/sign-up", agreed), ("/api/log-in", b"")):
        for given in (b'"\\ud800\\udfff\\ud800 nine green ladders"', b'""', b"7", b"null", b"[]"):
            text = b'{"name": "Ada"' + more + b', "passphrase": ' + given + b"}"
            answer = by_passphrase.post(path, content=text, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422


def test_the_cost_is_that_of_owasp(monkeypatch):
    monkeypatch.undo()
    assert passphrase._COST == {"memory_cost": 19 * 1024, "iterations": 2, "lanes": 1}
    factor = passphrase.Passphrase()
    record = factor.enrol("Ada", Proof(passphrase=WORDS))
    assert factor.verify(Proof(passphrase=WORDS), record)
    assert not factor.verify(Proof(passphrase=WORDS + "!"), record)
    assert WORDS.encode() not in record and record != factor.enrol("Ada", Proof(passphrase=WORDS))


def test_an_unknown_name_costs_as_much_work(by_passphrase, monkeypatch):
    sign_up(by_passphrase, "Ada", 1, passphrase=WORDS)
    worked, hashed = [], passphrase._hash
    monkeypatch.setattr(passphrase, "_hash", lambda *given: worked.append(given[2]) or hashed(*given))
    answers = [
        by_passphrase.post("/api/log-in", json={"name": name, "passphrase": words})
        for name, words in (("Ada", WORDS), ("Ada", "wrong"), ("Nobody", WORDS))
    ]
    assert {answer.status_code for answer in answers} == {201} and len(worked) == 3
    assert all(cost == worked[0] for cost in worked)
    shapes = [{**answer.json(), "challenge": len(answer.json()["challenge"])} for answer in answers]
    assert shapes[0] == shapes[1] == shapes[2]


def test_wrong_passphrases_count_as_refusals(by_passphrase):
    """With a face: what came of the passphrase is told to nobody who does not show one."""
    sign_up(by_passphrase, "Ada", 1, passphrase=WORDS)
    for _ in range(5):
        assert log_in(by_passphrase, "Ada", *own_frames(1), passphrase="wrong") == REFUSED
    answer = by_passphrase.post("/api/log-in", json={"name": "Ada", "passphrase": WORDS})
    assert code(answer) == (429, "too_often")


def test_the_plain_passphrase_is_in_no_file(by_passphrase, tmp_path):
    sign_up(by_passphrase, "Ada", 1, passphrase=WORDS)
    log_in(by_passphrase, "Ada", *own_frames(1), passphrase=WORDS)
    assert not any(WORDS.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
