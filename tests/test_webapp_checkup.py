"""``facelab app --check``: what it finds, and that it changes nothing and opens no socket."""

import re
import socket

import pytest
from faceid import sface
from kept_accounts import add, begin, change_by_hand, counter, database, names_in, opened, spoil_an_index

from facelab.webapp.trusted_time import NEWEST_TIME

DAY = 86_400


def lines_of_check(facelab) -> dict[str, str]:
    _, out, _ = facelab("app", "--check")
    return dict(line.split(": ", 1) for line in out.splitlines())


def test_check_says_what_a_start_would_find_and_changes_nothing(tmp_path, facelab, monkeypatch):
    settings = begin(tmp_path, "Ann", "Bob")
    before = database(settings).read_bytes()

    def no_network(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "create_server", no_network)
    monkeypatch.setattr(socket.socket, "bind", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    code, out, error = facelab("app", "--check")
    told = dict(line.split(": ", 1) for line in out.splitlines())
    assert code == 0 and not error
    assert told["database"] == "sound" and told["key"] == "fits" and told["sealed"] == "everything opens"
    assert told["counter"] == "at 2, none missing" and told["clock"].startswith("plausible")
    assert told["accounts"] == "2; templates: 2 of embedder ffffffffffff"
    assert told["purge"].startswith("accounts idle for 90 days: 0 now, 0 by ")
    assert database(settings).read_bytes() == before


def test_check_names_the_embedder(tmp_path, facelab):
    settings = begin(tmp_path, "Ann", "Bob")
    change_by_hand(settings, f"UPDATE templates SET fingerprint = '{sface().fingerprint}' WHERE account = "
                   "(SELECT id FROM accounts WHERE name = 'Ann')")  # fmt: skip
    code, out, _ = facelab("app", "--check")
    assert code == 1 and "1 of sface" in out and "1 of embedder ffffffffffff" in out
    assert "sealed: damaged or changed, they do not open (template: 1)" in out  # bound to its embedder


def test_what_a_purge_is_said_to_remove_is_what_it_removes(tmp_path, facelab):
    settings = begin(tmp_path)
    with opened(settings) as (vault, store):
        now = store.read_clock().clock
        for name, days in (("Old", 95), ("Older", 120), ("Soon", 70), ("New", 1)):
            store._clock = lambda days=days: now - days * DAY
            store.write_value(NEWEST_TIME, now - days * DAY)
            add(vault, store, name)
        store._clock = lambda: now
        store.write_value(NEWEST_TIME, now)
    assert lines_of_check(facelab)["purge"].startswith("accounts idle for 90 days: 2 now, 3 by ")
    assert names_in(settings) == ["Older", "Old", "Soon", "New"]  # still
    with opened(settings) as (_, store):
        assert len(store.purge(90, 365)) == 2
    assert lines_of_check(facelab)["purge"].startswith("accounts idle for 90 days: 0 now, 1 by ")


def test_check_finds_what_is_wrong(tmp_path, facelab):
    settings = begin(tmp_path, "Ann", "Bob")
    change_by_hand(settings, "DELETE FROM accounts WHERE name = 'Ann'", "UPDATE about SET value = value + 90 * 86400 "
                   "WHERE key = 'newest time'")  # fmt: skip
    code, out, _ = facelab("app", "--check")
    told = dict(line.split(": ", 1) for line in out.splitlines())
    assert code == 1 and re.fullmatch(r"[1-9] rows of no account", told["database"])
    assert "not those that facelab kept" in told["counter"] and "no purge" in told["clock"]
    spoil_an_index(database(settings))
    assert "index" in lines_of_check(facelab)["database"]
    settings.key_file.write_bytes(bytes(32))
    code, out, _ = facelab("app", "--check")
    assert code == 1 and "key: What is sealed does not open: the key is another one" in out


def test_check_of_a_lost_counter_or_key(tmp_path, facelab):
    settings = begin(tmp_path, "Ann")
    counter(settings).unlink()
    assert lines_of_check(facelab)["counter"] == "at 1, nothing beside the key to compare it with"
    settings.key_file.unlink()
    code, _, error = facelab("app", "--check")
    assert code == 1 and "is lost" in error and not settings.key_file.exists()


@pytest.mark.parametrize("damaged", ["'noon'", "1e300", "X'00'"])
def test_damaged_times_end_no_command(tmp_path, facelab, damaged):
    settings = begin(tmp_path, "Ann", "Bob")
    change_by_hand(settings, f"UPDATE about SET value = {damaged} WHERE key = 'newest time'",
                   f"UPDATE accounts SET created = {damaged}")  # fmt: skip
    code, out, _ = facelab("app", "--check")
    assert code == 1 and "The newest time is damaged" in out
    assert facelab("accounts", "list")[0] == 0
    assert facelab("accounts", "delete", "Ann")[0] == 0


def test_check_looks_at_what_was_measured(tmp_path, facelab):
    begin(tmp_path, "Ann")
    told = lines_of_check(facelab)
    assert told["calibration"].startswith("threshold 0.4") and told["liveness"].startswith("honest turns refused: ")
    (tmp_path / "other.json").write_text("{}")
    code, out, _ = facelab("app", "--check", "--calibration", str(tmp_path / "other.json"))
    assert code == 1 and "other.json is not a calibration" in out


def test_an_option_that_check_does_not_use_is_refused(tmp_path, facelab):
    begin(tmp_path, "Ann")
    code, _, error = facelab("app", "--check", "--lab", "--second-factor", "passkey")
    assert code == 1 and "--lab, --second-factor would change nothing" in error
