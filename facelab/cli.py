"""The facelab command: run notebooks, look after data, crop and split, train, verify, export, read results, start Face-ID.

This file is the table of commands, and says what ends a command in which words; each command's body is a file of ``commands``.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
import warnings
from collections.abc import Callable

import typer

from facelab.commands import accounts, batch, data, labs
from facelab.commands.app import app as face_id
from facelab.commands.build import build
from facelab.commands.console import error_console
from facelab.commands.crop import crop
from facelab.commands.export import export
from facelab.commands.grade import grade
from facelab.commands.leaderboard import leaderboard
from facelab.commands.run import run
from facelab.commands.split import split
from facelab.commands.start import start
from facelab.commands.sweep import sweep
from facelab.commands.train.command import train
from facelab.commands.verify import verify
from facelab.errors import FacelabError, PreemptedError
from facelab.experiments.command import app as experiment
from facelab.terminal import escape_what_cannot_be_encoded

HELP = "Run notebooks, look after data, crop and split folders, train, verify, export, read the results, start Face-ID."

app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP, pretty_exceptions_show_locals=False)
for command in (start, run, sweep, leaderboard, build, crop, split, train, verify, export, grade):
    app.command()(command)
app.command("app")(face_id)
app.add_typer(batch.app, name="batch")
app.add_typer(labs.app, name="labs")
app.add_typer(data.app, name="data")
app.add_typer(accounts.app, name="accounts")
app.add_typer(experiment, name="experiment")

_UsageError = typer.BadParameter.__base__  # of click, of which newer versions of typer carry a copy of their own
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h: "try again later"; Slurm requeues it where RequeueExit says so
_STOPPED = {128 + number for number in (signal.SIGINT, *_ENDING)}  # exit codes, as a shell has them


def main() -> None:
    """Entry point. One line for what the user can mend: exit code 1, or 2 for a word that no command knows; 130 for Ctrl-C,
    143 for SIGTERM, 75 where a training made room and goes on when it is called again."""
    escape_what_cannot_be_encoded()
    warnings.showwarning = functools.partial(_show_warning, warnings.showwarning)
    for number in _ENDING:
        if signal.getsignal(number) == signal.SIG_DFL:  # else somebody has set it aside, as nohup does
            signal.signal(number, _stop)
    try:
        _require_current_folder()
        code = app(standalone_mode=False) or 0
    except FacelabError as error:
        code = _say(str(error), _PREEMPTED if isinstance(error, PreemptedError) else 1)
    except _UsageError as error:
        text = error.format_message()
        if "\n" in text or not text:  # no word at all was given: this is the help
            print(text, end="")
            code = error.exit_code
        else:
            code = _say(
                f"{text.rstrip('.')}. See: {error.ctx.command_path if error.ctx else 'facelab'} --help.",
                error.exit_code,
            )
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        code = _say(f"{error.filename or 'A file'}: {error.strerror}. Free some space, or check the rights.", 1)
    except (typer.Abort, KeyboardInterrupt):  # as older versions of typer tell of Ctrl-C
        code = 130
    except SystemExit as error:  # of _stop
        code = error.code
    if code in _STOPPED:
        _say("stopped.", code)
    sys.exit(code)


def _require_current_folder() -> None:
    """Libraries end the process in words of their own where it stands nowhere."""
    try:
        os.getcwd()
    except OSError as error:
        raise FacelabError(
            f"The current folder cannot be read ({error.strerror}).", "Go to another one (cd)."
        ) from error


def _stop(number: int, frame: object) -> None:
    """End by an exception, as Ctrl-C does: kernels and half-written files are cleaned up on its way."""
    raise SystemExit(128 + number)


def _show_warning(show_others: Callable, message: Warning, category: type[Warning], *where: object) -> None:
    """A warning of ours as one line, without the line of code that gave it; the others as they were shown before."""
    if category.__module__.startswith("facelab."):
        error_console.print(f"facelab: {message}")
    else:
        show_others(message, category, *where)


def _say(text: str, code: int) -> int:
    error_console.print(f"facelab: {text}")
    return code


if __name__ == "__main__":
    main()
