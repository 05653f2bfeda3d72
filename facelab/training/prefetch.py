"""One piece of work ahead: while the caller uses a result, a thread prepares the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def prefetch(prepare: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Iterator[Result]]:
    """``map(prepare, items)``, whose next result is prepared in a thread while the caller works with the last one.

    No more than one is ever ahead. What ``prepare`` raises is raised where its result would have been given. The thread ends
    with the block, however that is left: by an error or Ctrl-C it still finishes the item that it has begun.

    Args:
        prepare: called in the thread, for one item after the other, in their order.
        items: read by the thread of the caller.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        yield _results(pool, prepare, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _results(pool: ThreadPoolExecutor, prepare: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    current: Future[Result] | None = None
    for item in items:
        following = pool.submit(prepare, item)
        if current is not None:
            yield current.result()
        current = following
    if current is not None:
        yield current.result()
