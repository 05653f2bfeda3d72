"""The kernel that executes a notebook: always this very interpreter's, and whatever ends it is said in one line."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from traitlets import default
from traitlets.config import Config

from facelab.errors import FacelabError
from facelab.labs.kernel_signals import SignalRelay
from facelab.paths import cache_root, data_root, runs_root

CELL_SECONDS = 4 * 3600  #: that a cell may take
START_SECONDS = 300  #: that a kernel may take to start: many at once, from a network's disk, are slow
_MOST_OF_SOCKET = 100  # bytes of a socket's path; Linux takes 107, macOS 103
# no word on encryption (it talks to this machine alone) nor on being stopped when done
_QUIET = "--IPKernelApp.log_level=50"


class OwnKernelManager(AsyncKernelManager):
    """Starts the kernel of this very interpreter, whatever ``python3`` kernelspec lies about on this machine.

    Attributes:
        relay: told of the kernel's process; None where no signal is passed on.
    """

    relay: SignalRelay | None = None

    async def start_kernel(self, **options: object) -> None:
        """As jupyter_client does; and Ctrl-C is told of once, where the loop has no handler of somebody else."""
        loop = asyncio.get_running_loop()
        if loop.get_exception_handler() is None:
            loop.set_exception_handler(tell_all_but_ctrl_c)
        await super().start_kernel(**options)
        if self.relay is not None:
            self.relay.kernel = self.provisioner.pid

    @default("kernel_spec_manager")
    def _without_installed_kernelspecs(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])  # so that ipykernel's own is taken

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
        """After Ctrl-C, whoever still waits for an answer of a cell is ended first: it would tell of a kernel that died."""
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await super().shutdown_kernel(now=now, restart=restart)


def tell_all_but_ctrl_c(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What asyncio does with an error that nobody asked for, except for Ctrl-C: where that meets a task at work, it ends the
    task and is raised from the loop as well, so that the task would tell of it a second time."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


def fix_folders() -> dict[str, str]:
    """Tell kernels, which run in another folder than the user stands in, where runs go, and make the other folders that the
    environment names absolute.

    Returns:
        These variables, for a process elsewhere.

    Raises:
        BadParameterError: a variable of the environment names a file as its folder.
    """
    os.environ["FACELAB_RUNS"] = str(runs_root().resolve())
    for name, root in (("FACELAB_DATA", data_root), ("FACELAB_CACHE", cache_root)):
        if os.environ.get(name):
            os.environ[name] = str(root().resolve())
    return {
        name: os.environ[name] for name in ("FACELAB_RUNS", "FACELAB_DATA", "FACELAB_CACHE") if os.environ.get(name)
    }


@contextmanager
def _transport() -> Iterator[Config]:
    """How a kernel is talked to: by sockets in a folder of its own, so that kernels side by side never take each other's port;
    by TCP where the system has no such sockets, or the folder's path is too long for them."""
    if os.name != "posix":
        yield Config()
        return
    with tempfile.TemporaryDirectory(prefix="facelab-", ignore_cleanup_errors=True) as folder:
        sockets = os.path.join(folder, "k")
        fits = len(os.fsencode(f"{sockets}-9")) <= _MOST_OF_SOCKET
        yield Config({"OwnKernelManager": {"transport": "ipc", "ip": sockets}} if fits else {})


@contextmanager
def kernel_options(notebook: str, relief: str, relay: SignalRelay | None = None) -> Iterator[dict[str, object]]:
    """What an nbclient client is made with, also by papermill; what happens to its kernel is an error of one line.

    Args:
        notebook: name for the messages.
        relief: remedy where the machine has too little memory or time.
        relay: what passes signals on to the kernel; None: they are not.

    Raises:
        FacelabError: the kernel did not start or died, or a cell took too long.
    """
    cells = 0

    def count(**_: object) -> None:
        nonlocal cells
        cells += 1

    try:
        with _transport() as config:
            yield {
                "config": config,
                "kernel_name": "python3",
                "kernel_manager_class": type(OwnKernelManager.__name__, (OwnKernelManager,), {"relay": relay}),
                "timeout": CELL_SECONDS,
                "startup_timeout": START_SECONDS,
                "iopub_timeout": 60,  # a busy machine may take longer than the usual 4 s to pass on what a cell printed
                "extra_arguments": [_QUIET],
                "on_cell_execute": count,
            }
    except CellTimeoutError as error:
        raise FacelabError(
            f"{notebook} was stopped in cell {cells}: {str(error).strip().splitlines()[0]}", relief
        ) from error
    except DeadKernelError as error:
        raise FacelabError(
            f"The kernel of {notebook} died in cell {cells}: it was killed, or memory ran out.", relief
        ) from error
    except (OSError, RuntimeError) as error:  # the latter as jupyter_client says that it got no answer
        if cells:
            raise
        remedy = (
            "Free memory, or set TMPDIR to a folder that can be written."
            if isinstance(error, OSError)
            else "What it said stands above. A file beside the notebook, or in a folder of PYTHONPATH, with the name of a "
            "module hides that module; and the startup files of IPython (IPYTHONDIR) run in each kernel."
        )
        raise FacelabError(f"The kernel of {notebook} did not start ({error}).", remedy) from error
