"""Where the trials of a sweep are kept: a journal file, any database that SQLAlchemy knows, or a gRPC server of Optuna.

All workers of a sweep open the same storage. Optuna advises against SQLite where they are several.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from facelab.errors import BadParameterError, FacelabError
from facelab.extras import needs_extra
from facelab.files import make_folder
from facelab.paths import absolute_path
from facelab.sweeps.objective import Objective
from facelab.sweeps.optuna_library import import_optuna
from facelab.sweeps.space import Space, describe_space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

DESCRIPTION = "facelab:description"  #: attribute of a study: what its trials are trials of
_GRPC = "grpc://"
_SECONDS_TO_CONNECT, _SECONDS_TO_MAKE_TABLES = 10, 2
_EXAMPLES = "Give a file, postgresql://USER:PASSWORD@HOST/DATABASE or grpc://HOST:PORT."


def open_storage(where: str) -> BaseStorage:
    """The storage that somebody named.

    Args:
        where: path of a journal file, ``grpc://HOST:PORT``, or the URL of a database, as SQLAlchemy writes it.

    Raises:
        FacelabError: it cannot be opened; the message holds no password.
    """
    if where.startswith(_GRPC):
        return _grpc_storage(where)
    if "://" in where:
        return _database(where)
    return _journal(absolute_path(where))


def open_study(storage: BaseStorage, name: str, objective: Objective, space: Space) -> Study:
    """The study of that name, which the first worker makes.

    Args:
        storage: where it is kept.
        name: of the study.
        objective: what is searched.
        space: where.

    Raises:
        FacelabError: the study is one of another objective or another space.
    """
    optuna = import_optuna()
    direction = "maximize" if objective.maximize else "minimize"
    study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
    description = describe_sweep(objective, space)
    if DESCRIPTION not in study.user_attrs and not study.get_trials(deepcopy=False):
        study.set_user_attr(DESCRIPTION, description)
    stored = study.user_attrs.get(DESCRIPTION)  # once more: another worker may have made the study a moment ago
    if stored != description:
        raise FacelabError(
            f"The study {name!r} is another sweep{_first_difference(stored or '', description)}.",
            "Choose another --name, or give what that one was given.",
        )
    return study


def describe_sweep(objective: Objective, space: Space) -> str:
    """What the trials of a sweep are trials of, in lines of text; another text is another sweep."""
    direction = "largest" if objective.maximize else "smallest"
    return (
        f"{objective.description}\nthe {direction} {objective.metric}, seed {objective.seed}\n\n{describe_space(space)}"
    )


def _first_difference(stored: str, wanted: str) -> str:
    """The first line in which two descriptions differ, to be read after what they are of."""
    for old, new in zip(stored.splitlines(), wanted.splitlines(), strict=False):
        if old != new:
            return f" ({old or 'nothing'!r} there, {new or 'nothing'!r} here)"
    return ""


def _journal(path: Path) -> BaseStorage:
    optuna = import_optuna()
    journal = optuna.storages.journal
    try:
        make_folder(path.parent)
        # Windows lets nobody but administrators make a symbolic link
        lock = journal.JournalFileOpenLock(str(path)) if os.name == "nt" else None
        return optuna.storages.JournalStorage(journal.JournalFileBackend(str(path), lock_obj=lock))
    except OSError as error:
        raise FacelabError(
            f"{path} cannot be used as a journal of trials ({error.strerror}).",
            "Check its rights, or name another file.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:  # its lines are none of Optuna's
        raise FacelabError(f"{path} is no journal of trials ({error}).", "Name another file.") from error


def _database(url: str) -> BaseStorage:
    optuna = import_optuna()
    from sqlalchemy.engine import make_url  # comes with optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError) as error:  # the text may hold a password
        raise BadParameterError("--storage is no URL of a database.", _EXAMPLES) from error
    try:
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except SQLAlchemyError:  # also where two workers make the tables at the same moment
            time.sleep(_SECONDS_TO_MAKE_TABLES)
            return optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except ImportError as error:
        raise FacelabError(
            f"--storage {shown} needs a driver that is not installed ({error}).", "Install it with pip."
        ) from error
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        said = str(error).splitlines()[0]
        raise FacelabError(f"--storage {shown} cannot be opened ({said}).", _EXAMPLES) from error


def _grpc_storage(url: str) -> BaseStorage:
    optuna = import_optuna()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None:
        raise BadParameterError(f"--storage {url} names no host and port.", "Write grpc://HOST:PORT.")
    with needs_extra("--storage grpc://", "track"):
        import grpc
    try:
        with grpc.insecure_channel(f"{host}:{port}") as channel:
            grpc.channel_ready_future(channel).result(timeout=_SECONDS_TO_CONNECT)
    except grpc.FutureTimeoutError as error:
        raise FacelabError(
            f"--storage {url}: no server answers.", "Start one there: optuna.storages.run_grpc_proxy_server."
        ) from error
    return optuna.storages.GrpcStorageProxy(host=host, port=port)
