"""What ``facelab app`` finds wrong with its folder, key or calibration is one line, before any address is printed."""

import json
import os
import sqlite3
from contextlib import closing

import pytest
from faceid import project_calibration
from faceid_app import refused
from kept_accounts import add, opened

from facelab.webapp import calibration, server
from facelab.webapp.account_store import AccountStore
from facelab.webapp.database import DATABASE_FILE
from facelab.webapp.settings import Settings
from facelab.webapp.vault import open_vault


@pytest.fixture(autouse=True)
def serve_nobody(monkeypatch):
    """Where nothing is found wrong, the test fails and does not wait for Ctrl-C."""
    monkeypatch.setattr(server, "run_service", lambda service, *_: service.close())


def write_database(folder, *statements: str) -> None:
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as raw:
        for statement in statements:
            raw.execute(statement)
        raw.commit()


def make_text_file(folder) -> None:
    (folder / DATABASE_FILE).write_text("Dear diary, " * 200)


def make_foreign_database(folder) -> None:
    (folder / DATABASE_FILE).unlink()
    write_database(folder, "CREATE TABLE accounts (number INTEGER)")


def make_old_database(folder) -> None:
    write_database(folder, "PRAGMA user_version = 1", "PRAGMA application_id = 0")


def make_later_database(folder) -> None:
    write_database(folder, "PRAGMA user_version = 99")


def damage_template_tree(folder) -> None:
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as raw:
        [(page,)] = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'templates'")
        [(size,)] = raw.execute("PRAGMA page_size")
    with open(folder / DATABASE_FILE, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 100)


def put_older_copy_back(folder) -> None:
    settings = Settings(folder, folder.parent / "key")
    with opened(settings) as (vault, store):
        ann = add(vault, store, "Ann")
    older = (folder / DATABASE_FILE).read_bytes()
    with opened(settings) as (_, store):
        store.delete_account(ann)
    (folder / DATABASE_FILE).write_bytes(older)


def lose_key(folder) -> None:
    (folder.parent / "key").unlink()


def open_folder(folder) -> None:
    folder.chmod(0o755)


def open_key(folder) -> None:
    (folder.parent / "key").chmod(0o644)


@pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX knows them")
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (make_text_file, "file is not a database"),
        (make_foreign_database, "of another program"),
        (make_old_database, "of a facelab before schema 3"),
        (make_later_database, "has schema 99"),
        (damage_template_tree, "is damaged"),
        (put_older_copy_back, "is an older copy: 1 change is missing"),
        (lose_key, "is lost"),
        (open_folder, "mode 755"),
        (open_key, "mode 644"),
    ],
)
def test_a_folder_that_cannot_be_served(tmp_path, monkeypatch, capsys, spoil, said):
    folder, key = tmp_path / "accounts", tmp_path / "key"
    monkeypatch.setenv("FACELAB_KEY_FILE", str(key))
    open_vault(key, folder)
    AccountStore(folder).close()
    spoil(folder)
    check_refused(capsys, said, folder=str(folder))


def test_a_folder_that_is_served_already(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACELAB_KEY_FILE", str(tmp_path / "key"))
    open_vault(tmp_path / "key", tmp_path / "accounts")
    store = AccountStore(tmp_path / "accounts")
    check_refused(capsys, "is in use by another facelab app", folder=str(tmp_path / "accounts"))
    store.close()


def test_a_calibration_that_lets_everybody_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACELAB_KEY_FILE", str(tmp_path / "key"))
    path = tmp_path / "calibration.json"
    calibration.write_calibration(project_calibration(), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"threshold": -1.0}))
    check_refused(capsys, "threshold is -1.0", calibration=str(path), folder=str(tmp_path / "accounts"))
    assert not (tmp_path / "accounts").exists() and not (tmp_path / "key").exists()


def check_refused(capsys, said: str, **words: str) -> None:
    assert said in refused(**words)
    assert capsys.readouterr().out == ""
