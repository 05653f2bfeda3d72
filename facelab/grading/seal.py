"""What keeps an answer from deciding its own verdict: it runs in the process of its check, so the check makes sure that nothing
it stands on was replaced.

The check's own package is taken out of the answer's reach: an answer that imports ``facelab.exercises`` gets a new copy. All
functions and classes of the modules that checks use must be the same after each call. This stops what a student can do by
assignments. It does not stop somebody who searches the memory of the interpreter, or has code run behind the check's back.
"""

from __future__ import annotations

import operator
import sys
from types import ModuleType

import numpy as np
import torch

# what checks call; a package stands for all its modules, and torch for itself alone: it has a thousand
_WATCHED = {"builtins", "contextlib", "copy", "facelab", "functools", "itertools", "math", "numpy", "operator", "scipy"}
_WATCHED_OF_TORCH = ("torch.autograd", "torch.functional", "torch.linalg", "torch.nn", "torch.random", "torch._tensor")
_WATCHED_CLASSES = ("facelab", "numpy", "torch._tensor", "torch.nn.modules.module", "torch.autograd.function")
_PLAIN = {"builtins", "collections", "numpy", "torch", "pandas", "facelab"}  # whose classes an answer may return
_REFUSED = {"socket.connect", "socket.bind", "socket.getaddrinfo", "sys.settrace", "sys.setprofile"}
_REFUSED |= {"gc.get_objects", "gc.get_referrers", "gc.get_referents"}
_REFUSED |= {"os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}
_CODE = {"__code__", "__defaults__", "__kwdefaults__"}
_HEAP_TYPE = 1 << 9  # of a class that Python code made, in type.__flags__
_MOST_ITEMS = 1000  # of an object array or a container that are looked at


class MeddlingError(BaseException):
    """An answer changed what its check stands on. No ``except Exception`` of a check takes it."""


class Seal:
    """The functions and classes of the modules that checks use, as they are now, to be compared later."""

    def __init__(self) -> None:
        self._tables = []
        for name, module in list(sys.modules.items()):
            if isinstance(module, ModuleType) and _is_watched(name):
                self._add(name, vars(module))
                if name.startswith(_WATCHED_CLASSES):
                    for value in list(vars(module).values()):
                        if isinstance(value, type) and value.__flags__ & _HEAP_TYPE and value.__module__ == name:
                            self._add(f"{name}.{value.__name__}", value.__dict__)
        self._threads = len(sys._current_frames())

    def _add(self, name: str, table: dict[str, object]) -> None:
        names = [key for key, value in list(table.items()) if callable(value)]
        self._tables.append((name, table.get, names, [table[key] for key in names]))

    def verify(self) -> None:
        """Make sure that all is as it was.

        Raises:
            MeddlingError: something was replaced, or a thread goes on.
        """
        for name, get, keys, values in self._tables:
            if not all(map(operator.is_, map(get, keys), values)):
                key = next(key for key, value in zip(keys, values, strict=True) if get(key) is not value)
                raise MeddlingError(f"your code replaced {name}.{key}. It may change nothing outside of itself.")
        if len(sys._current_frames()) > self._threads:
            raise MeddlingError("your code left a thread running. Wait for it (join) before you return.")


def _is_watched(module: str) -> bool:
    return module.partition(".")[0] in _WATCHED or module == "torch" or module.startswith(_WATCHED_OF_TORCH)


def take_out_of_reach(*packages: str) -> None:
    """Whoever imports these packages from now on gets new copies, and cannot change what is loaded of them."""
    for name in list(sys.modules):
        if name.startswith(packages):
            del sys.modules[name]
            parent, _, child = name.rpartition(".")
            if parent in sys.modules and vars(sys.modules[parent]).get(child) is not None:
                delattr(sys.modules[parent], child)


def refuse_reaching_out() -> None:
    """Refuse connections, further processes, a look into the interpreter's memory, and new code for old functions, in this
    process for good."""

    def refuse(event: str, arguments: tuple) -> None:
        if event in _REFUSED or (event == "object.__setattr__" and arguments[1] in _CODE):
            raise PermissionError(f"an answer must not use {event}")

    sys.addaudithook(refuse)


def require_plain(result: object, depth: int = 3) -> None:
    """Refuse a result whose class comes from the answer or a library of mocks, since it can claim to equal anything.

    Raises:
        MeddlingError: it is such a result, or holds one.
    """
    kind = type(result)
    if kind.__flags__ & _HEAP_TYPE and not _is_class_of_libraries(kind):
        raise MeddlingError(f"your code returns a {kind.__name__!r}. Return numbers, arrays or tensors.")
    if depth and isinstance(result, (list, tuple, set, frozenset, dict)):
        items = [*result, *result.values()] if isinstance(result, dict) else list(result)
        for item in items[:_MOST_ITEMS]:
            require_plain(item, depth - 1)
    if isinstance(result, np.ndarray) and result.dtype == object:
        for item in result.flat[:_MOST_ITEMS]:
            require_plain(item, 0)


def _is_class_of_libraries(kind: type) -> bool:
    """Whether a class is found where it says it is from, and that is a library of numbers."""
    if kind.__module__.partition(".")[0] not in _PLAIN:
        return False
    found: object = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind or kind is torch.nn.Parameter
