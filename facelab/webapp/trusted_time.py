"""Which time to believe: a clock that jumped must not make everybody idle, nor keep anybody for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from facelab.errors import FacelabError

DAY = 86_400.0  #: seconds
_LONGEST_PAUSE = 30 * DAY  # of a service that is switched off; a longer one looks like a clock that jumped
_EARLIEST = 1_767_225_600.0  # 2026-01-01, UTC: before the schema of the database was written
NEWEST_TIME = "newest time"  #: that was seen; the key of ``about``


@dataclass(frozen=True)
class TimeReading:
    """What the clock says, beside the newest time that the database has seen.

    Attributes:
        clock: seconds since 1970.
        newest: the same; None where no time was seen yet.
    """

    clock: float
    newest: float | None

    @property
    def trusted(self) -> float:
        """The time for what is written: the clock's, or the newest that was seen where that is later or far behind.

        So nobody who signs up under a wrong clock looks idle, or never idle, once it is set.
        """
        if self.newest is not None and not self.newest <= self.clock <= self.newest + _LONGEST_PAUSE:
            return self.newest
        return self.clock

    @property
    def is_plausible(self) -> bool:
        """Whether the clock may be right: set back by a day at most, or ahead by no more than a long pause."""
        return self.newest is None or self.newest - DAY <= self.clock <= self.newest + _LONGEST_PAUSE


def check_clock_is_set(clock: Callable[[], float]) -> None:
    """Refuse to begin a database in 1970: with such a newest time everybody would be idle once the clock is set.

    Raises:
        FacelabError: the clock cannot be right.
    """
    if clock() < _EARLIEST:
        raise FacelabError("The clock of this machine is before 2026.", "Set it, then start again.")


def read_time(change: sqlite3.Connection, clock: Callable[[], float]) -> TimeReading:
    """Read the clock within a transaction, and remember the trusted time as the newest that was seen."""
    row = change.execute("SELECT value FROM about WHERE key = ?", (NEWEST_TIME,)).fetchone()
    reading = TimeReading(clock(), row[0] if row else None)
    if reading.trusted != reading.newest:
        accept_time(change, reading.trusted)
    return reading


def accept_time(change: sqlite3.Connection, seconds: float) -> None:
    """Take a time for the newest that was seen, however far it is from the one before."""
    change.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (NEWEST_TIME, seconds))
