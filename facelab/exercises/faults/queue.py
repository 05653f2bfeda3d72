"""A fault of MoCo on small data: a queue so long that it still holds the last epoch's key of the query's photograph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facelab.errors import BadParameterError
from facelab.exercises.faults.verdict import Fault, Verdict

MAX_STALE_SHARE = 0.05  #: share of queries with a stale positive, over an epoch, up to which a queue passes; our choice


def full_queue_size(photographs: int) -> int:
    """As found. A queue about as long as the data set: more negatives are better, as the paper measures on ImageNet."""
    return photographs


def eighth_queue_size(photographs: int) -> int:
    """A queue of an eighth of the photographs: 1 query in 128 meets its own photograph."""
    return photographs // 8


def stale_share(queue_rows: np.ndarray, batch_rows: np.ndarray) -> float:
    """Share of queries that have an older key of their own photograph among the negatives.

    Args:
        queue_rows: int (K,) or, of T steps, (T, K), photograph of each key; below 0: a slot that is still empty.
        batch_rows: int (N,) or (T, N), photograph of each query.
    """
    queue_rows, batch_rows = np.atleast_2d(queue_rows), np.atleast_2d(batch_rows)
    return float(np.mean([np.isin(batch, queue) for batch, queue in zip(batch_rows, queue_rows, strict=True)]))


def expected_stale_share(keys: int, photographs: int, batch: int) -> float:
    """``stale_share`` over an epoch that goes through all photographs once, each time in a new random order.

    After s photographs of an epoch, the queue holds those s, of which none comes again, and the last K - s of the epoch
    before. The two orders are independent, so a query's photograph is among these with the probability

        p(s) = max(0, K - s) / N:    K / N in the first batch of the epoch, 0 from s = K on.

    The mean over the steps s = 0, B, 2B ... is about K^2 / (2 N^2) for K up to N: 1/2 where the queue is as long as the data
    set, 1/128 where it has an eighth.

    Args:
        keys: K, length of the queue.
        photographs: N of the training set.
        batch: B; photographs that fill no batch at the end of an epoch are left out.

    Raises:
        BadParameterError: K is greater than N. The queue then has several keys of most photographs.
    """
    if keys > photographs:
        raise BadParameterError(f"A queue of {keys} for {photographs} photographs.", "Choose one below that number.")
    seen = np.arange(0, photographs - batch + 1, batch)
    return float(np.maximum(0, keys - seen).mean() / photographs)


def epoch_rows(keys: int, photographs: int, batch: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Queue and batch at each of the T steps of an epoch, once the queue is full: rows (T, K) and (T, B) of photographs."""
    rng = np.random.default_rng(seed)
    used = photographs // batch * batch
    before = -(-keys // used)
    stream = np.concatenate([rng.permutation(photographs)[:used] for _ in range(before + 1)])
    starts = range(before * used, len(stream), batch)
    return np.stack([stream[at - keys : at] for at in starts]), np.stack([stream[at : at + batch] for at in starts])


def check_queue(queue_rows: np.ndarray, batch_rows: np.ndarray) -> Verdict:
    """Whether at most 5 % of the queries meet a stale key of their own photograph. Arguments as of ``stale_share``.

    Give the steps of a whole epoch: its first batches have the most, its last ones none.
    """
    share = stale_share(queue_rows, batch_rows)
    return Verdict(
        share <= MAX_STALE_SHARE, f"{share:.1%} of the queries have a key of their own photograph among the negatives."
    )


def check_queue_size(size: Callable[[int], int]) -> Verdict:
    """``check_queue`` over a simulated epoch of 1600 photographs (``orl-wild``) in batches of 64.

    Args:
        size: number of photographs -> length of the queue.
    """
    return check_queue(*epoch_rows(size(1600), 1600, 64))


FAULTS = [
    Fault(
        "a queue as long as the data set",
        "Keys of the same photograph, an epoch old, were negatives: the loss pushed apart what it had to join.",
        full_queue_size,
        eighth_queue_size,
        check_queue_size,
    ),
]
