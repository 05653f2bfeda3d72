"""What keeps an answer from deciding its own verdict: it runs in the process of its check, so the check makes sure that nothing
it stands on was replaced.

The check's own package is taken out of the answer's reach: an answer that imports ``facelab.exercises`` gets a new copy. The
modules that checks use, and the classes in them, must be the same after each call: no name of theirs may stand for something
else, and no new one may hide a name that Python would have found elsewhere. This stops what a student can do by assignments. It
does not stop somebody who searches the memory of the interpreter, or has code run behind the check's back.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import is_  # by its name, as the next one: an answer can replace them in their modules
from sys import _current_frames
from types import ModuleType

import numpy as np
import torch

# what checks call; a package stands for all its modules, and torch for itself alone: it has a thousand
_WATCHED = {"builtins", "contextlib", "copy", "facelab", "functools", "itertools", "math", "numpy", "operator", "scipy"}
_WATCHED_OF_TORCH = ("torch.autograd", "torch.functional", "torch.linalg", "torch.nn", "torch.random", "torch._tensor")
_BUILTINS = vars(builtins)
# what Python itself adds to a class when somebody asks for its annotations, or copies an object of it
_ADDED_BY_PYTHON = {"__annotations__", "__annotations_cache__", "__slotnames__"}
_PLAIN = {"builtins", "collections", "numpy", "torch", "pandas", "facelab"}  # whose classes an answer may return
_REFUSED = {"socket.connect", "socket.bind", "socket.getaddrinfo", "sys.settrace", "sys.setprofile"}
_REFUSED |= {"gc.get_objects", "gc.get_referrers", "gc.get_referents"}
_REFUSED |= {"os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}
_CODE = {"__code__", "__defaults__", "__kwdefaults__"}
_HEAP_TYPE = 1 << 9  # of a class that Python code made, in type.__flags__
_MOST_ITEMS = 1000  # of an object array or a container that are looked at


class MeddlingError(BaseException):
    """An answer changed what its check stands on. No ``except Exception`` of a check takes it."""


@dataclass(frozen=True)
class _Sealed:
    """A module or class with its names, as they are and as they were."""

    owner: ModuleType | type
    names: Mapping[str, object]
    before: Mapping[str, object]
    kind: type
    bases: tuple[type, ...]

    def replaced(self) -> str | None:
        """What is not as it was, if anything."""
        if type(self.owner) is not self.kind:
            return f"the class of {self._title()}"
        if self.bases and self.owner.__mro__ is not self.bases:
            return f"the bases of {self._title()}"
        names, before = self.names, self.before
        # the usual case, and quick: an untouched table has the same values in the same order
        if len(names) == len(before) and all(map(is_, list(names.values()), before.values())):
            return None
        changed = (key for key, value in before.items() if names.get(key) is not value and _matters(key, value))
        hiding = (key for key in list(names) if key not in before and self._hides(key))
        key = next(changed, None) or next(hiding, None)
        return None if key is None else f"{self._title()}.{key}"

    def _hides(self, key: str) -> bool:
        """Whether Python finds a new name before one that it found elsewhere, or calls it unasked."""
        if isinstance(self.owner, ModuleType):
            return key in _BUILTINS
        unasked = key.startswith("__") and key.endswith("__")
        return key not in _ADDED_BY_PYTHON and (unasked or any(key in vars(base) for base in self.bases[1:]))

    def _title(self) -> str:
        if isinstance(self.owner, ModuleType):
            return self.owner.__name__
        return f"{self.owner.__module__}.{self.owner.__qualname__}"


class Seal:
    """The modules that checks use and the classes in them, as they are now, to be compared later."""

    def __init__(self) -> None:
        self._builtins = dict(_BUILTINS)
        self._modules = {
            name: module
            for name, module in list(sys.modules.items())
            if isinstance(module, ModuleType) and _is_watched(name)
        }
        classes = {found for module in self._modules.values() for found in _classes_of(module)}
        self._sealed = [
            _Sealed(
                owner, vars(owner), dict(vars(owner)), type(owner), getattr(owner, "__mro__", ()) if is_class else ()
            )
            for is_class, owners in ((False, self._modules.values()), (True, classes))
            for owner in owners
        ]
        self._threads = len(_current_frames())

    def verify(self) -> None:
        """Make sure that all is as it was.

        Raises:
            MeddlingError: something was replaced or hidden, or a thread goes on.
        """
        for key in self._builtins:  # first, and without calling one of them: all that follows does
            if _BUILTINS.get(key) is not self._builtins[key]:
                _refuse(f"builtins.{key}")
        for name, module in self._modules.items():
            if sys.modules.get(name) is not module:
                _refuse(f"the module {name}")
        for sealed in self._sealed:
            if what := sealed.replaced():
                _refuse(what)
        if len(_current_frames()) > self._threads:
            raise MeddlingError("your code left a thread running. Wait for it (join) before you return.")


def _refuse(what: str) -> None:
    raise MeddlingError(f"your code replaced {what}. It may change nothing outside of itself.")


def _classes_of(module: ModuleType) -> Iterator[type]:
    """Classes that a module has names of, and that assignments can change."""
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__flags__ & _HEAP_TYPE and _is_watched(value.__module__):
            yield value


def _matters(key: str, value: object) -> bool:
    """Whether a name of a library may not change: one of its code, or a public one. In others it keeps what it counts."""
    return (
        not key.startswith("_") or callable(value) or isinstance(value, ModuleType) or hasattr(type(value), "__get__")
    )


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
