"""What somebody, or a bad disk, changed in the database opens no account and stops nobody else."""

import pytest
from faceid import PNG, REFUSED, log_in, new_service, open_client, own_frames, sign_up
from kept_accounts import audited, change


@pytest.fixture
def client(tmp_path):
    """Ann (1) and Mallory (4), who both may be found."""
    with open_client(new_service(tmp_path)) as client:
        sign_up(client, "Ann", 1, findable=True)
        sign_up(client, "Mallory", 4, findable=True)
        yield client


def who(client, person: int) -> dict:
    return client.post("/api/who-am-i", content=own_frames(person)[0], headers=PNG).json()


def test_swapped_names_let_nobody_in_as_another(client, tmp_path):
    change(
        tmp_path,
        "UPDATE accounts SET name = 'x', key = 'x' WHERE key = 'ann'",
        "UPDATE accounts SET name = 'Ann', key = 'ann' WHERE key = 'mallory'",
        "UPDATE accounts SET name = 'Mallory', key = 'mallory' WHERE key = 'x'",
    )
    assert log_in(client, "Ann", *own_frames(4)) == REFUSED
    assert audited(tmp_path)[2:] == [("open_template", "damaged"), ("log_in", "refused")]
    assert who(client, 4)["name"] is None and who(client, 1)["name"] is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET name = 'Boss' WHERE key = 'ann'",
        "UPDATE accounts SET findable = 0 WHERE key = 'ann'",
        "UPDATE accounts SET consent = 'another' WHERE key = 'ann'",
        "UPDATE accounts SET name = CAST(X'41FF6E' AS TEXT) WHERE key = 'ann'",
        "UPDATE accounts SET name = X'41FF' WHERE key = 'ann'",
        "UPDATE templates SET sealed = 7 WHERE account = (SELECT id FROM accounts WHERE key = 'ann')",
        "UPDATE templates SET sealed = X'' WHERE account = (SELECT id FROM accounts WHERE key = 'ann')",
        "UPDATE templates SET sealed = 'text' WHERE account = (SELECT id FROM accounts WHERE key = 'ann')",
        "UPDATE templates SET sealed = substr(sealed, 1, 300) || X'00' || substr(sealed, 302)"
        " WHERE account = (SELECT id FROM accounts WHERE key = 'ann')",
    ],
)
def test_a_damaged_row_is_refused_and_stops_nobody_else(client, tmp_path, statement):
    change(tmp_path, statement)
    assert log_in(client, "Ann", *own_frames(1)) == REFUSED
    assert audited(tmp_path)[2:] == [("open_template", "damaged"), ("log_in", "refused")]
    assert who(client, 4) == {"name": "Mallory", "hint": None}
    assert who(client, 1)["name"] is None
    assert log_in(client, "Mallory", *own_frames(4))["state"] == "in"


def test_who_was_not_findable_is_not_made_so(tmp_path):
    with open_client(new_service(tmp_path)) as client:
        sign_up(client, "Ann", 1, findable=False)
        change(tmp_path, "UPDATE accounts SET findable = 1")
        assert who(client, 1)["name"] is None
        assert ("open_template", "damaged") in audited(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET created = 1e300, last_login = -1e300",
        "UPDATE accounts SET created = 9e999, consent = 5",
        "UPDATE audit SET time = 'noon', event = 7",
        "UPDATE about SET value = 'noon' WHERE key = 'newest time'",
    ],
)
def test_who_is_logged_in_sees_a_damaged_account_and_can_delete_it(client, tmp_path, statement):
    log_in(client, "Ann", *own_frames(1))
    change(tmp_path, statement)
    assert client.get("/api/me").json()["name"] == "Ann"
    assert client.delete("/api/me").status_code == 200
    expected = "refused" if "consent" in statement else "in"  # hers was changed, too, and is bound to her template
    assert log_in(client, "Mallory", *own_frames(4))["state"] == expected


def test_an_account_whose_name_is_damaged_can_be_deleted(client, tmp_path):
    log_in(client, "Ann", *own_frames(1))
    change(tmp_path, "UPDATE accounts SET name = char(0) WHERE key = 'ann'")
    assert client.delete("/api/me").status_code == 200
    assert client.get("/api/me").status_code == 401
    assert [one.name for one in client.app.state.service.store.list_accounts()] == ["Mallory"]
