"""Experiments from the command line: one line for what the user can mend."""

import sys
from typing import Annotated

import pytest
import typer

from facelab.errors import BadParameterError
from facelab.experiments import command, lfw_view2
from facelab.experiments.imbalance import runs as imbalance


def main(name: Annotated[str, typer.Argument()], seeds: Annotated[int, typer.Option(min=3)] = 3) -> None:
    if name == "wrong":
        raise BadParameterError("There is no 'wrong'.", "There is: right.")
    if name == "broken":
        raise ZeroDivisionError
    print(name, seeds)


def call(monkeypatch, function, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["experiment", *words])
    with pytest.raises(SystemExit) as left:
        command.run(function)
    return left.value.code or 0


def test_a_command_gets_its_options(monkeypatch, capsys):
    assert call(monkeypatch, main, "right", "--seeds", "4") == 0
    assert capsys.readouterr().out == "right 4\n"
    assert call(monkeypatch, main, "right", "--seeds", "2") == 2  # typer's own word on it


@pytest.mark.parametrize(
    ("function", "word", "told"),
    [
        (main, "wrong", "There is no 'wrong'. There is: right.\n"),
        (imbalance.main, "nonsense", "There is no experiment 'nonsense'."),
        (lfw_view2.main, "byol", "There is no recipe for 'byol'."),
    ],
)
def test_what_the_user_can_mend_is_one_line(monkeypatch, capsys, function, word, told):
    assert call(monkeypatch, function, word) == 1
    said = capsys.readouterr().err
    assert said.startswith(told) and said.count("\n") == 1


def test_an_error_of_ours_is_not_swallowed(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["experiment", "broken"])
    with pytest.raises(ZeroDivisionError):
        command.run(main)
