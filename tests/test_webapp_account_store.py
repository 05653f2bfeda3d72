"""What is kept and what is not: sealed templates, a deletion that leaves no byte, and all or nothing when killed."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from facelab import files
from facelab.errors import FacelabError
from facelab.webapp import audit_table, vault
from facelab.webapp.account_store import AccountStore
from facelab.webapp.database import DATABASE_FILE, SCHEMA_VERSION
from facelab.webapp.problems import Problem
from facelab.webapp.vault import Vault, open_vault

NAME = "Wilhelmine Ampersand"
FINGERPRINT = "f" * 64


def add(store: AccountStore, vault: Vault, name: str, plain: bytes) -> tuple[str, bytes]:
    account = store.new_account_id()
    sealed = vault.seal(plain, account, FINGERPRINT)
    store.add_account(account, name, name.casefold(), "1", True, FINGERPRINT, sealed)
    return account, sealed


def template(seed: int) -> bytes:
    vector = np.random.default_rng(seed).normal(size=128)
    return (vector / np.linalg.norm(vector)).astype("<f4").tobytes()


def found_in(folder, pieces: dict[str, bytes]) -> set[str]:
    """Which pieces, or a sixteen byte part of them, are in any file below a folder."""
    raw = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    parts = {name: [piece[i : i + 16] for i in range(0, max(1, len(piece) - 15), 4)] for name, piece in pieces.items()}
    return {name for name, some in parts.items() if any(part in data for data in raw for part in some)}


def fill(folder, secure: bool, people: int = 40):
    """A database with many accounts, one of which is deleted afterwards; what must not be left of it."""
    store, vault = AccountStore(folder, secure_delete=secure), Vault(b"k" * 32)
    for seed in range(people):
        add(store, vault, f"Somebody {seed}", template(seed))
    account, sealed = add(store, vault, NAME, template(1000))
    for seed in range(people, 2 * people):
        add(store, vault, f"Somebody {seed}", template(seed))
    store.record_event("log_in", "ok", account)
    pieces = {"name": NAME.encode(), "key": NAME.casefold().encode(), "sealed": sealed, "account": account.encode()}
    return store, account, pieces


def test_deleted_leaves_no_byte_in_any_file(tmp_path):
    store, account, pieces = fill(tmp_path, secure=True)
    assert found_in(tmp_path, pieces) == set(pieces)  # the search would find them
    assert store.delete_account(account) and not store.delete_account(account)
    assert found_in(tmp_path, pieces) == set()  # with the file still open
    assert {path.name for path in tmp_path.iterdir()} == {DATABASE_FILE, ".lock"}
    store.close()
    assert found_in(tmp_path, pieces) == set()
    raw = sqlite3.connect(tmp_path / DATABASE_FILE)
    assert raw.execute("SELECT count(*) FROM audit WHERE account IS NULL").fetchone()[0] == 3  # sign-up, log-in, delete
    assert raw.execute("SELECT count(*) FROM accounts").fetchone()[0] == 80
    raw.close()


def test_without_secure_delete_they_would_stay(tmp_path):
    store, account, pieces = fill(tmp_path, secure=False)
    others = store.findable_templates(FINGERPRINT)[::3]
    sealed = {one.name: one.sealed_bytes for one in others}
    for one in others:
        store.delete_account(one.account_id)
    store.delete_account(account)
    assert found_in(tmp_path, pieces) and found_in(tmp_path, sealed)


@pytest.mark.parametrize("seed_of_ids", [100, 114, 1055])  # with these ``secure_delete`` alone leaves a name and an id
def test_many_deletions_in_any_order_leave_nothing(tmp_path, monkeypatch, seed_of_ids):
    """Pages of the tree are split and joined on the way; nothing of a deleted account stays in their gaps."""
    ids = random.Random(seed_of_ids)
    monkeypatch.setattr(AccountStore, "new_account_id", lambda _: ids.randbytes(16).hex())
    store, vault, rng = AccountStore(tmp_path), Vault(b"k" * 32), np.random.default_rng(0)
    kept, gone = {}, {}
    for seed in range(150):
        name = rng.bytes(8 + rng.integers(24)).hex()  # of 16 to 62 letters
        account, sealed = add(store, vault, name, template(seed))
        kept[account] = {f"name {seed}": name.encode(), f"sealed {seed}": sealed, f"id {seed}": account.encode()}
        if seed % 3 == 2:
            out = sorted(kept)[rng.integers(len(kept))]
            assert store.delete_account(out)
            gone |= kept.pop(out)
    assert len(gone) == 150 and found_in(tmp_path, gone) == set()
    stay = {name: piece for pieces in kept.values() for name, piece in pieces.items()}
    assert found_in(tmp_path, stay) == set(stay)


def pass_days(store: AccountStore, now: list[float], days: int) -> None:
    """Days of a service that runs: each is seen, but nobody is idle for too long."""
    for _ in range(days):
        now[0] += 86_400
        store.purge(10_000, 10_000)


def test_a_purge_leaves_nothing_either(tmp_path):
    now = [1.8e9]
    store, vault = AccountStore(tmp_path, clock=lambda: now[0]), Vault(b"k" * 32)
    _, sealed = add(store, vault, NAME, template(0))
    pass_days(store, now, 60)
    other, _ = add(store, vault, "Other", template(1))
    pass_days(store, now, 31)
    assert len(store.purge(90, 365)) == 1
    assert store.find_account(other) is not None and not store.has_name(NAME.casefold())
    assert found_in(tmp_path, {"name": NAME.encode(), "sealed": sealed}) == set()
    pass_days(store, now, 400)
    store.purge(10_000, 365)
    assert store.account_events(other) == []


def test_questions_of_strangers_do_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_table, "KEPT_STRANGE_EVENTS", 20)
    store = AccountStore(tmp_path)
    account, _ = add(store, Vault(b"k" * 32), NAME, template(0))
    for _ in range(60):
        store.record_event("who_am_i", "nobody")
    assert [row[0] for row in store._rows("SELECT number FROM audit ORDER BY number")] == [1, *range(42, 62)]
    assert [event.event for event in store.account_events(account)] == ["sign_up"]
    store.close()


def test_refused_log_ins_push_no_other_row_out(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_table, "KEPT_EVENTS_BY_OTHERS", 20)
    store = AccountStore(tmp_path)
    ids = [add(store, Vault(b"k" * 32), name, template(0))[0] for name in ("ann", "bob")]
    for account in ids:
        store.record_event("log_in", "ok", account)
        for outcome in ["refused"] * 30 + ["looked_like_a_recording"] * 15:
            store.record_event("log_in", outcome, account)
    for account in ids:
        outcomes = [event.outcome for event in store.account_events(account)]
        assert outcomes == ["looked_like_a_recording"] * 15 + ["refused"] * 5 + ["ok"] * 2
    store.close()


def test_the_plain_template_is_never_on_the_disk(tmp_path):
    store, vault = AccountStore(tmp_path), Vault(b"k" * 32)
    plain = template(0)
    account, sealed = add(store, vault, NAME, plain)
    assert found_in(tmp_path, {"plain": plain}) == set()
    assert vault.open(store.find_template(NAME.casefold(), FINGERPRINT).sealed_bytes, account, FINGERPRINT) == plain


def test_a_sealed_template_opens_only_where_it_belongs():
    vault, plain = Vault(b"k" * 32), template(0)
    sealed = vault.seal(plain, "a", "f")
    assert vault.open(sealed, "a", "f") == plain and vault.seal(plain, "a", "f") != sealed  # a nonce of its own
    assert len(sealed) == len(plain) + 28
    for other, account, fingerprint in ((vault, "b", "f"), (vault, "a", "g"), (Vault(b"l" * 32), "a", "f")):
        with pytest.raises(FacelabError, match="does not open"):
            other.open(sealed, account, fingerprint)
    for spoiled in (sealed[:-1], bytes([sealed[0] ^ 1]) + sealed[1:], b""):
        with pytest.raises(FacelabError, match="does not open"):
            vault.open(spoiled, "a", "f")


@pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX knows them")
def test_the_key_is_for_its_owner_alone(tmp_path):
    key, folder = tmp_path / "config" / "key", tmp_path / "accounts"
    sealed = open_vault(key, folder).seal(b"plain", "a", "f")
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32
    assert [path.name for path in key.parent.iterdir()] == ["key"]
    assert open_vault(key, folder).open(sealed, "a", "f") == b"plain"
    for mode in (0o640, 0o604, 0o666):
        key.chmod(mode)
        with pytest.raises(FacelabError, match=f"Others may read the key {key} .*chmod 600"):
            open_vault(key, folder)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(FacelabError, match="has 5 bytes, a key has 32"):
        open_vault(key, folder)
    with pytest.raises(FacelabError, match="lies in the folder"):
        open_vault(folder / "deep" / "key", folder)
    assert not folder.exists()


@pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX knows them")
def test_the_database_is_for_its_owner_alone(tmp_path):
    AccountStore(tmp_path / "accounts").close()
    assert (tmp_path / "accounts").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "accounts" / DATABASE_FILE).stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_of_ours_is_one_clear_error(tmp_path):
    (tmp_path / DATABASE_FILE).write_bytes(b"no database at all " * 100)
    with pytest.raises(FacelabError, match="cannot be used"):
        AccountStore(tmp_path)
    (tmp_path / DATABASE_FILE).unlink()
    AccountStore(tmp_path).close()
    raw = sqlite3.connect(tmp_path / DATABASE_FILE)
    raw.execute("PRAGMA user_version = 7")
    raw.close()
    with pytest.raises(FacelabError, match="schema 7"):
        AccountStore(tmp_path)


def test_a_name_is_taken_once_and_nothing_of_the_second_is_kept(tmp_path):
    store, vault = AccountStore(tmp_path), Vault(b"k" * 32)
    add(store, vault, "Ada", template(0))
    with pytest.raises(Problem) as refused:
        add(store, vault, "ADA", template(1))
    assert refused.value.code == "name_taken"
    assert len(store.findable_templates(FINGERPRINT)) == 1


_KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path
from facelab.webapp.account_store import AccountStore

folder, how = Path(sys.argv[1]), sys.argv[2]
AccountStore(folder).close()
random.seed(0)
sealed, killed, kept = b"s" * 540, 0, 0

def add(store, name):
    store.add_account(store.new_account_id(), name, name, "1", True, "f" * 64, sealed)

def enough():  # a sign-up has as many steps as it has, and after the last of them five more are tried
    return kept == 5 if how == "step" else killed == 40

trial = -1
while not enough():
    trial += 1
    added, told = os.pipe()
    child = os.fork()
    if child == 0:
        store = AccountStore(folder)
        if how == "step":  # dies at one certain step of the transaction
            left = [trial]
            def step():
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            store._connection.set_progress_handler(step, 3)
            add(store, f"account {trial}")
            os._exit(0)
        number = 0
        while True:  # dies whenever the parent says so
            add(store, f"account {trial} {number}")
            os.write(told, b".")
            number += 1
    if how == "random":
        os.read(added, 1)  # one at least, however long a start takes
        time.sleep(random.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
    os.close(added)
    os.close(told)
    killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    store = AccountStore(folder)
    kept = store.count_accounts()
    store.close()
print(killed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("how", ["step", "random"])
def test_killed_in_a_sign_up_it_is_all_there_or_nothing(tmp_path, how):
    words = [sys.executable, "-c", _KILLED, str(tmp_path), how]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    killed = int(done.stdout)
    assert killed > 30
    store = AccountStore(tmp_path)  # as the next start does; it rolls back what was not finished
    rows = store._rows
    assert rows("PRAGMA integrity_check") == [("ok",)] and rows("PRAGMA foreign_key_check") == []
    accounts, templates = rows("SELECT id FROM accounts"), rows("SELECT account FROM templates")
    audited = rows("SELECT account FROM audit WHERE event = 'sign_up'")
    assert sorted(accounts) == sorted(templates) == sorted(audited)
    assert len(accounts) == 5 if how == "step" else accounts
    assert {len(sealed) for (sealed,) in rows("SELECT sealed FROM templates")} == {540}
    assert {path.name for path in tmp_path.iterdir()} == {DATABASE_FILE, ".lock"}


@pytest.mark.parametrize("pages", [b"", b"s" * 4096])
def test_a_start_removes_the_journal_of_a_process_killed_before_it_was_complete(tmp_path, pages):
    store, vault = AccountStore(tmp_path), Vault(b"k" * 32)
    add(store, vault, "Ada", template(0))
    store.close()
    # SQLite writes a header whose first 12 bytes are 0 and fills them in once the pages behind it are on the disk.
    (tmp_path / f"{DATABASE_FILE}-journal").write_bytes(bytes(512) + pages if pages else b"")
    store = AccountStore(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {DATABASE_FILE, ".lock"}
    assert store._rows("PRAGMA integrity_check") == [("ok",)]
    assert len(store.findable_templates(FINGERPRINT)) == 1


def test_a_database_that_cannot_be_written_is_told(tmp_path):
    store, vault = AccountStore(tmp_path), Vault(b"k" * 32)
    store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError):
        add(store, vault, "Ada", template(0))
    store._connection.execute("PRAGMA query_only = OFF")
    add(store, vault, "Ada", template(0))
    assert json.dumps([one.name for one in store.findable_templates(FINGERPRINT)]) == '["Ada"]'
    assert signal.SIGKILL


def test_what_was_answered_is_on_the_disk(tmp_path):
    rows = AccountStore(tmp_path)._rows
    told = {name: rows(f"PRAGMA {name}")[0][0] for name in ("synchronous", "secure_delete", "journal_mode")}
    assert told == {"synchronous": 3, "secure_delete": 1, "journal_mode": "delete"}  # 3: EXTRA


def test_a_new_key_and_its_folders_are_on_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_path", synced.append)
    monkeypatch.setattr(vault, "sync_path", synced.append)
    open_vault(tmp_path / "new" / "config" / "key", tmp_path / "accounts")
    assert synced == [tmp_path, tmp_path / "new", tmp_path / "new" / "config"]


def test_a_second_server_on_the_folder_is_refused(tmp_path):
    store, vault = AccountStore(tmp_path), Vault(b"k" * 32)
    for _ in range(2):
        with pytest.raises(FacelabError, match="in use by another facelab app. Wait .* choose another folder"):
            AccountStore(tmp_path)
    add(store, vault, "Ada", template(0))
    store.close()
    assert AccountStore(tmp_path).has_name("ada")


def test_a_start_that_failed_leaves_the_folder_free(tmp_path):
    (tmp_path / DATABASE_FILE).write_bytes(b"no database at all " * 100)
    for _ in range(2):
        with pytest.raises(FacelabError, match="cannot be used"):
            AccountStore(tmp_path)
    (tmp_path / DATABASE_FILE).unlink()
    AccountStore(tmp_path).close()


@pytest.mark.parametrize("version", [0, 1, SCHEMA_VERSION])
def test_a_database_of_another_program_is_refused_and_stays_as_it_is(tmp_path, version):
    raw = sqlite3.connect(tmp_path / DATABASE_FILE)
    raw.execute("CREATE TABLE accounts (number INTEGER)")
    raw.execute(f"PRAGMA user_version = {version}")
    raw.close()
    before = (tmp_path / DATABASE_FILE).read_bytes()
    with pytest.raises(FacelabError, match="of another program.*--folder"):
        AccountStore(tmp_path)
    assert (tmp_path / DATABASE_FILE).read_bytes() == before


def test_damage_of_the_file_is_found_at_the_start(tmp_path):
    store, _, _ = fill(tmp_path, secure=True)
    [(page,)] = store._rows("SELECT rootpage FROM sqlite_master WHERE name = 'audit'")
    [(size,)] = store._rows("PRAGMA page_size")
    store.close()
    with open(tmp_path / DATABASE_FILE, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))
    with pytest.raises(FacelabError, match="(is damaged|cannot be used).*--folder") as told:
        AccountStore(tmp_path)
    assert "\n" not in str(told.value)


def test_a_lost_key_is_not_replaced(tmp_path):
    key, folder = tmp_path / "key", tmp_path / "accounts"
    open_vault(key, folder)
    AccountStore(folder).close()
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(FacelabError, match=f"The key {key} is lost.*Put the key file back"):
        open_vault(key, folder)
    assert not key.exists()
    key.write_bytes(kept)
    key.chmod(0o600)
    open_vault(key, folder)


@pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX knows them")
@pytest.mark.parametrize("mode", [0o755, 0o710, 0o777])
def test_a_folder_that_others_may_look_into_is_refused(tmp_path, mode):
    folder = tmp_path / "accounts"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(FacelabError, match=f"mode {mode:o}.*chmod 700 {folder}"):
        AccountStore(folder)
    assert not list(folder.iterdir())
    folder.chmod(0o700)
    AccountStore(folder).close()


@pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX knows them")
def test_a_database_that_others_may_read_is_closed(tmp_path):
    AccountStore(tmp_path).close()
    (tmp_path / DATABASE_FILE).chmod(0o644)
    AccountStore(tmp_path).close()
    assert (tmp_path / DATABASE_FILE).stat().st_mode & 0o777 == 0o600
