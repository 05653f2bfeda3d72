"""Which time to believe: a clock that jumped must not make everybody idle, nor keep anybody for ever."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from facelab.errors import FacelabError

DAY = 86_400.0  #: seconds
_LONGEST_PAUSE = 30 * DAY  # of a service that is switched off; a longer one looks like a clock that jumped
_EARLIEST = 1_767_225_600.0  # 2026-01-01, UTC: before the schema of the database was written
_LAST_SECOND = 253_402_300_799.0  # of the year 9999, after which no date can be written
NEWEST_TIME = "newest time"  #: that was seen; the key of ``about``


@dataclass(frozen=True)
class TimeReading:
    """What the clock says, beside the newest time that the database has seen.

    Attributes:
        clock: seconds since 1970.
        newest: the same; None where no time was seen yet, NaN where what is kept is no time.
    """

    clock: float
    newest: float | None

    @property
    def trusted(self) -> float:
        """The time for what is written: the clock's, or the newest that was seen where that is later or far behind.

        So nobody who signs up under a wrong clock looks idle, or never idle, once it is set.
        """
        if self.newest is None or self.is_damaged or self.newest <= self.clock <= self.newest + _LONGEST_PAUSE:
            return self.clock
        return self.newest

    @property
    def is_plausible(self) -> bool:
        """Whether the clock may be right: set back by a day at most, or ahead by no more than a long pause."""
        return self.newest is None or self.newest - DAY <= self.clock <= self.newest + _LONGEST_PAUSE  # False of NaN

    @property
    def is_damaged(self) -> bool:
        """Whether the database no longer tells the newest time."""
        return self.newest is not None and math.isnan(self.newest)

    @property
    def fault(self) -> str:
        """Of a clock that is not plausible, the beginning of a sentence."""
        if self.is_damaged:
            return "The newest time is damaged"
        way = "behind" if self.clock < self.newest else "ahead of"
        return f"The clock is {abs(self.clock - self.newest) / DAY:.0f} days {way} the newest time"


def known_time(kept: object) -> float | None:
    """The newest time as the database kept it: None where there is none, NaN where that is no time."""
    if kept is None:
        return None
    return float(kept) if isinstance(kept, (int, float)) and 0 <= kept <= _LAST_SECOND else math.nan


def check_clock_is_set(clock: Callable[[], float]) -> None:
    """Refuse to begin a database in 1970: with such a newest time everybody would be idle once the clock is set.

    Raises:
        FacelabError: the clock cannot be right.
    """
    if clock() < _EARLIEST:
        raise FacelabError("The clock of this machine is before 2026.", "Set it, then start again.")


def read_time(change: sqlite3.Connection, clock: Callable[[], float]) -> TimeReading:
    """Read the clock within a transaction, and remember the trusted time as the newest that was seen.

    One that is damaged stays as it is, and with it the purge, until somebody says that the clock is right.
    """
    row = change.execute("SELECT value FROM about WHERE key = ?", (NEWEST_TIME,)).fetchone()
    reading = TimeReading(clock(), known_time(row[0]) if row else None)
    if not reading.is_damaged and reading.trusted != reading.newest:
        accept_time(change, reading.trusted)
    return reading


def accept_time(change: sqlite3.Connection, seconds: float) -> None:
    """Take a time for the newest that was seen, however far it is from the one before."""
    change.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (NEWEST_TIME, seconds))


def readable_time(column: str) -> str:
    """SQL for a time that a damaged row may hold: one that can be written as a date, whatever is in the column."""
    return f"max(0.0, min({_LAST_SECOND}, CAST({column} AS REAL)))"


def written_date(seconds: float) -> str:
    """The day of a time in seconds since 1970, as ``2026-01-31``, UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")
