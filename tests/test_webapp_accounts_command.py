"""``facelab accounts list`` and ``delete``, and what the commands do beside a service or without a database."""

import re
import sqlite3
from contextlib import closing

import pytest
from kept_accounts import add, begin, change_by_hand, closed_values, database, names_in, opened

DAY = 86_400


def test_list_tells_days_and_no_scores(tmp_path, facelab):
    settings = begin(tmp_path)
    with opened(settings) as (vault, store):
        now = store.read_clock().clock
        store._clock = lambda: now - 20.4 * DAY
        store.accept_clock()
        ann = add(vault, store, 'Ann "the first"')
        add(vault, store, "O'Neill; --")
        store._clock = lambda: now
        store.record_event("log_in", "ok", ann)
    change_by_hand(settings, "INSERT INTO accounts SELECT id || 'x', 'a' || char(10) || 'b', 'x', created, NULL, consent,"
                   " findable, factor, NULL FROM accounts LIMIT 1",
                   "INSERT INTO accounts VALUES ('d', X'41FF', 'd', 'damaged', X'00', 7, 'x', 8, NULL)")  # fmt: skip
    code, out, _ = facelab("accounts", "list")
    assert code == 0
    head, *rows, last = out.splitlines()
    assert head.split() == ["name", "created", "last", "log-in", "idle", "days", "left"]
    days = {row.split("  ")[0].strip(): row.split()[-1] for row in rows}
    assert {re.split(" 20| 19", name)[0]: left for name, left in days.items()} == {
        'Ann "the first"': "90", "O'Neill; --": "70", r"a\nb": "70", "A\N{REPLACEMENT CHARACTER}": "0",
    }  # fmt: skip
    assert last == f"4 accounts in {settings.folder}"


@pytest.mark.parametrize(
    ("stored", "typed"),
    [('Ann "the first"', 'ann "THE first"'), ("O'Neill; DROP TABLE accounts", None), ("a\nb", r"a\nb"), ("a\nb", None)],
)
def test_delete_removes_one_for_good(tmp_path, facelab, stored, typed):
    settings = begin(tmp_path, "Keep", stored)
    code, out, _ = facelab("accounts", "delete", typed or stored)
    assert code == 0 and "removed from every file" in out and len(out.splitlines()) == 1
    assert names_in(settings) == ["Keep"]
    assert stored.casefold().encode() not in database(settings).read_bytes()
    with closing(sqlite3.connect(database(settings))) as raw:
        assert raw.execute("SELECT event, outcome FROM audit ORDER BY number").fetchall()[-1] == ("delete", "ok")


@pytest.mark.parametrize("name", ["Nobody", "Kep", "a\nb", "", "%", "Keep' OR '1'='1", "\u3164"])
def test_delete_of_nobody_is_one_line(tmp_path, facelab, name):
    settings = begin(tmp_path, "Keep")
    code, out, error = facelab("accounts", "delete", name)
    assert code == 1 and not out and len(error.splitlines()) == 1 and "There is no account" in error
    assert ("Did you mean 'Keep'?" in error) == (name == "Kep")
    assert names_in(settings) == ["Keep"]


@pytest.mark.parametrize("words", [("list",), ("delete", "Ann"), ("backup", "b"), ("new-key",)])
def test_without_a_database_nothing_is_made(tmp_path, facelab, words):
    code, _, error = facelab("accounts", *words)
    assert code == 1 and "There is no database in" in error
    code, _, error = facelab("app", "--check")
    assert code == 1 and "There is no database in" in error
    assert not list(tmp_path.iterdir())


def test_beside_a_service_one_can_read_and_not_change(tmp_path, facelab):
    settings = begin(tmp_path, "Ann")
    with opened(settings):
        assert facelab("accounts", "list")[0] == 0 and facelab("app", "--check")[0] == 0
        assert facelab("accounts", "backup", str(tmp_path / "copy"))[0] == 0
        for words in (("delete", "Ann"), ("restore", str(tmp_path / "copy"), "--yes"), ("new-key",)):
            code, _, error = facelab("accounts", *words)
            assert code == 1 and "in use by another facelab app" in error
    assert names_in(settings) == ["Ann"] and closed_values(settings) == []
