"""Names that others chose come out of a command letter by letter, one a line, in any encoding and at any width."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import cv2
import numpy as np
import pytest
from commands import call

from facelab import progress
from facelab.commands.console import console, print_table
from facelab.datasets import catalog
from facelab.datasets.faceset import RejectedFilesWarning
from facelab.terminal import LiteralConsole, printable

SPELLED_WITH_JOINERS = "علی\u200cرضا"  # Persian
NAMES = {  # a name -> as it is shown
    "Ann [bold]": "Ann [bold]",
    "[]": "[]",
    "x[@click=app.bell]": "x[@click=app.bell]",
    ":smile:": ":smile:",
    "esc\x1b[31m\r\nline\tfeed\x07": "esc\\x1b[31m\\r\\nline\\tfeed\\x07",
    "\u202egnp.exe": "\\u202egnp.exe",
    "zero\u200bwidth": "zero\\u200bwidth",
    "全角\u3000空白": "全角\u3000空白",
    "line\u2028separator\x85": "line\\u2028separator\\x85",
    SPELLED_WITH_JOINERS: SPELLED_WITH_JOINERS,
}


def make_tree(root, names):
    """A person for each name, with two photographs and a file that is none."""
    for level, name in enumerate(names):
        folder = root / name
        folder.mkdir(parents=True)
        for shot in range(2):
            cv2.imencode(".png", np.full((20, 20), 40 * shot + level, np.uint8))[1].tofile(folder / f"{shot}.png")
        (folder / "bad.png").write_bytes(b"no photograph")


def test_every_file_is_one_line_and_every_letter_is_shown(monkeypatch, capsys, tmp_path, data):
    make_tree(tmp_path / "set[raw]", NAMES)
    call(monkeypatch, "data", "check", f"folder:{tmp_path / 'set[raw]'}", "--size", "16")
    first, *lines = capsys.readouterr().out.split("\n")[:-1]
    assert first.startswith(f"folder:{tmp_path}/set[raw]: 20 images, 10 people;")
    shown = [line.removeprefix("not usable: ").split("/bad.png: ")[0] for line in lines]
    assert sorted(shown) == sorted(NAMES.values())


def test_a_closing_tag_in_a_name_is_no_markup(monkeypatch, capsys, tmp_path, data):
    make_tree(tmp_path / "a[" / "red]", ["Ann"])
    call(monkeypatch, "data", "check", f"folder:{tmp_path}/a[/red]", "--size", "16")
    assert f"folder:{tmp_path}/a[/red]: 2 images" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_name_outside_of_the_encoding_is_escaped_and_a_long_one_is_not_broken(tmp_path, encoding):
    long = "x" * 150
    make_tree(tmp_path / "set", ["张伟", f"{long} {long[:50]}"])
    done = subprocess.run(
        [sys.executable, "-m", "facelab.cli", "data", "check", f"folder:{tmp_path / 'set'}", "--size", "16"],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "40", "FACELAB_CACHE": str(tmp_path / "cache")},
    )
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("not usable: \\u5f20\\u4f1f/bad.png: ") for line in lines)
    assert any(line.startswith(f"not usable: {long} {long[:50]}/bad.png: ") for line in lines)
    assert len(lines) == 3


def test_bytes_that_are_no_text_are_escaped(capsys):
    console.print("folder:/tmp/caf\udce9")
    LiteralConsole(stderr=True).print("caf\udce9")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("folder:/tmp/caf\\udce9\n", "caf\\udce9\n")


def test_no_call_can_ask_for_markup(capsys):
    console.print("[bold]x[/bold] :smile:", markup=True, emoji=True, highlight=True)
    assert capsys.readouterr().out == "[bold]x[/bold] :smile:\n"


def test_a_table_is_literal_aligned_and_never_broken(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    rows = [("[raw]", "1", "a" * 100), ("张伟\n", "1,000", "b")]
    print_table(("name", "n", "where"), rows, right=("n",))
    assert capsys.readouterr().out.split("\n") == [
        "name       n where",
        f"[raw]      1 {'a' * 100}",
        "张伟\\n 1,000 b",  # a Chinese letter is two columns wide
        "",
    ]


def test_data_list_names_a_folder_in_one_piece(monkeypatch, capsys, data):
    path = data / ("deep " * 30).strip() / "[lfw]"
    entry = catalog.CatalogEntry("lfw", "LFW", path, 13233, 180_000_000, "none")
    monkeypatch.setattr(catalog, "list_sources", lambda: [entry])
    monkeypatch.setenv("COLUMNS", "60")
    assert call(monkeypatch, "data", "list") == 0
    assert f"lfw  yes  13,233 180 {path}" in capsys.readouterr().out.split("\n")


def test_a_bar_shows_names_as_they_are(monkeypatch, capsys):
    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with progress.progress_bar("[/red] of a\nb", 2) as bar:
        bar.advance(note="set[raw]\x1b[2J")
    said = capsys.readouterr().err
    assert "[/red] of a\\nb" in said and "set[raw]\\x1b[2J" in said and "\x1b[2J" not in said


def test_an_error_is_one_line_whatever_the_name(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "leaderboard", "two  blanks\nand \x1b[31ma line") == 1
    error = capsys.readouterr().err
    assert error.startswith("facelab: two  blanks\\nand \\x1b[31ma line is not a folder.") and error.count("\n") == 1


def test_a_warning_of_ours_is_one_line_and_others_stay(monkeypatch, capsys):
    def warn():
        warnings.warn("a\x1b[31m\nb", RejectedFilesWarning, stacklevel=2)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            warnings.warn("caught", RejectedFilesWarning, stacklevel=2)
        assert len(heard) == 1
        return []

    monkeypatch.setattr(catalog, "list_sources", warn)
    monkeypatch.setattr(warnings, "showwarning", lambda *_: None)
    assert call(monkeypatch, "data", "list") == 0
    assert capsys.readouterr().err == "facelab: a\\x1b[31m\\nb\n"


def test_what_can_be_read_stays_as_it_is():
    for text in ("Zoë O'Brien-Łuczak", "张伟", "किरण", "👨\u200d👩\u200d👧", "e\u0301", "C:\\new\\table", "ﬁ", ""):
        assert printable(text) == text
