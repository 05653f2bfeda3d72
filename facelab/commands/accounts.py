"""``facelab accounts``: for the person who runs the Face-ID service, without a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.commands.app_settings import accounts_settings
from facelab.commands.console import console, print_table
from facelab.errors import FacelabError
from facelab.extras import needs_extra
from facelab.paths import user_path
from facelab.webapp.trusted_time import written_date

HELP = """Look after the accounts of Face-ID: list, delete, back up, restore, change the key.

`list` and `backup` work beside a running `facelab app`; stop it before the others. `facelab app --check` says whether all is \
sound, and what the next purge would remove.

The key lies in the user's configuration folder, or where FACELAB_KEY_FILE says. No backup holds it: copy it once, to another \
place than the backups. Without it nobody can use them; with both, anybody can.

Beside the key lies the number of changes of each database (`.counter`). An older copy of the database has a lower one, and \
`facelab app` refuses it, since deleted accounts may be in it; `restore` accepts it.

A backup keeps accounts that are deleted later: delete old backups, too. One from before a `new-key` needs the old key.
"""

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[str | None, typer.Option(help="Of the accounts; the user's data folder by default.")]


@app.callback(help=HELP)
def accounts() -> None:
    """Before each of these commands: most of them read the key."""
    from facelab.webapp.core_dumps import forbid_core_dumps

    forbid_core_dumps()


@app.command("list")
def list_(folder: Folder = None) -> None:
    """Every account: its name, when it was made, its last log-in, and the days until it is deleted as idle."""
    with needs_extra("facelab accounts", "app"):
        from facelab.webapp.administration import read_accounts

    settings = accounts_settings(folder)
    accounts, now = read_accounts(settings.folder)
    rows = [
        (one.name, written_date(one.created), "" if one.last_login is None else written_date(one.last_login),
         f"{max(0, one.days_left(now, settings.idle_days)):.0f}")
        for one in accounts
    ]  # fmt: skip
    print_table(("name", "created", "last log-in", "idle days left"), rows, right=("idle days left",))
    console.print(f"{_accounts(len(rows))} in {settings.folder}")


@app.command("delete")
def delete(
    name: Annotated[str, typer.Argument(help="As facelab accounts list shows it.")], folder: Folder = None
) -> None:
    """Delete an account for good, as its owner can."""
    with needs_extra("facelab accounts", "app"):
        from facelab.webapp.administration import delete_named_account

    settings = accounts_settings(folder)
    shown, has_traces = delete_named_account(settings, name)
    done = f"{shown} was removed from every file in {settings.folder}."
    if has_traces:
        done = (
            f"{shown} was removed, but the database in {settings.folder} cannot be written anew: traces may still be in it. "
            "Free some space; the next start of facelab app erases them."
        )
    console.print(f"{done} Backups made before still hold the account.")


@app.command("backup")
def backup(
    file: Annotated[str, typer.Argument(help="A new file; nothing is overwritten.")], folder: Folder = None
) -> None:
    """Copy the database to a file, also while facelab app runs. The key is not in it."""
    with needs_extra("facelab accounts", "app"):
        from facelab.webapp.backups import write_backup

    settings, target = accounts_settings(folder), user_path(file)
    count = write_backup(settings.folder, target)
    console.print(
        f"{target} holds {_accounts(count)}, and not the key {settings.key_file}: keep a copy of that elsewhere."
    )
    console.print("Who is deleted from now on stays in this file: delete it when a newer one is there.")


@app.command("restore")
def restore(
    file: Annotated[str, typer.Argument(help="Of facelab accounts backup.")],
    yes: Annotated[bool, typer.Option("--yes", help="Deleted accounts may come back, newer ones are lost.")] = False,
    folder: Folder = None,
) -> None:
    """Put a backup in place of the database. Accounts that were deleted since come back, newer ones are lost."""
    with needs_extra("facelab accounts", "app"):
        from facelab.webapp.backups import open_backup

    settings, source = accounts_settings(folder), user_path(file)
    with open_backup(settings, source) as restoration:
        console.print(f"{source} holds {_accounts(restoration.accounts)}; changes since then: {restoration.missing}")
        console.print("Accounts that were deleted since come back, those that were made since are lost.")
        if restoration.returning is not None and restoration.lost is not None:
            console.print(f"It has, and the present database has not: {', '.join(restoration.returning) or 'nobody'}")
            console.print(f"The present database has, and it has not: {', '.join(restoration.lost) or 'nobody'}")
        if not yes:
            raise FacelabError("Nothing was changed.", "Add --yes to put this backup in place of the database.")
        restoration.apply()
    console.print(
        f"{settings.folder} holds this backup now. Delete again who was deleted since (facelab accounts delete)."
    )


@app.command("new-key")
def new_key(folder: Folder = None) -> None:
    """Seal everything with a new key in place of the old one, for example after somebody may have copied that."""
    with needs_extra("facelab accounts", "app"):
        from facelab.webapp.key_change import change_key

    settings = accounts_settings(folder)
    change = change_key(settings)
    console.print(f"{settings.key_file} is a new key. Values that are sealed with it: {change.sealed - change.damaged}")
    if change.damaged:
        console.print(f"Values that did not open, and stay as they are (facelab app --check): {change.damaged}")
    console.print("Backups made before need the old key, which is gone: make a new one, and copy the new key.")


def _accounts(count: int) -> str:
    return "1 account" if count == 1 else f"{count} accounts"
