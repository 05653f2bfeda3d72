"""The facelab command in the process of the tests, for speed."""

import sys

import pytest

from facelab import cli


def call(monkeypatch, *words: str) -> int:
    """The exit code of ``facelab`` and these words."""
    monkeypatch.setattr(sys, "argv", ["facelab", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code or 0
