"""Text and tables as editors and spreadsheets leave them: read as they were meant, or the line is named."""

from __future__ import annotations

import unicodedata

import pandas as pd
import photos
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pairs import TWO_FOLDS, toy
from test_sources import celeba, loaded

from facelab.datasets import load, text_files
from facelab.datasets.celeba import ATTRIBUTES, IDENTITIES, PARTITION, index, read_list
from facelab.datasets.pair_files import find_rows, read_lfw_pairs
from facelab.errors import BadParameterError, FacelabError

#: how a spreadsheet or an editor saves text -> its bytes
SAVED_AS = {
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "Unicode text": lambda text: text.encode("utf-16"),
    "Unicode text of a Mac": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "CR LF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "semicolons": lambda text: text.replace("\t", ";").encode("utf-8-sig"),
    "commas": lambda text: text.replace("\t", ",").encode(),
}


@pytest.mark.parametrize("how", SAVED_AS)
@pytest.mark.parametrize("head", ["2\t2\n", ""])
def test_a_pair_list_is_read_however_it_was_saved(tmp_path, how, head):
    path, text = tmp_path / "pairs.txt", head + "\n".join(TWO_FOLDS) + "\n\t\t\t\n"
    path.write_text(head + "\n".join(TWO_FOLDS))
    expected = read_lfw_pairs(path)
    path.write_bytes(SAVED_AS[how](text))
    pairs = read_lfw_pairs(path)
    assert pairs.first == expected.first and pairs.second == expected.second and pairs.first[0] == ("Ann", 1)
    assert pairs.same.tolist() == expected.same.tolist() and pairs.fold.tolist() == expected.fold.tolist()


def test_short_lines_of_a_pair_list_that_a_spreadsheet_filled_up(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text('2;;;\r\n"Ann";01;2;\r\nBo;1;2,0;\r\nAnn;1;Bo;2\r\nBo;1;Ann;1\r\n;;;\r\n')
    pairs = read_lfw_pairs(path)
    assert pairs.first == [("Ann", 1), ("Bo", 1), ("Ann", 1), ("Bo", 1)] and pairs.second[1] == ("Bo", 2)
    path.write_text('sep=;\n"2","2"\n' + "\n".join(TWO_FOLDS).replace("\t", ";"))
    assert len(read_lfw_pairs(path)) == len(TWO_FOLDS)
    path.write_text("sep=;\nAnn;1;2\nBo;1;2,5\n")
    with pytest.raises(BadParameterError, match="pairs.txt, line 3: not a name with the number"):
        read_lfw_pairs(path)
    path.write_text("Ann;1;2\nBo;1;2,5\n")
    with pytest.raises(BadParameterError, match="pairs.txt, line 2: not a name with the number"):
        read_lfw_pairs(path)
    path.write_text("Li,Bo 1 2")  # by blanks, as before
    assert read_lfw_pairs(path).first == [("Li,Bo", 1)]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_written_in_the_other_way_of_unicode_is_found(tmp_path, forms):
    listed, there = (unicodedata.normalize(form, "Zoë Ünal") for form in forms)
    (tmp_path / "pairs.txt").write_text(f"{listed}\t1\t2\nAnn\t1\t{listed}\t2\n", encoding="utf-8")
    faces = toy([0, 1, 1], file=["a/Ann_0001.jpg", *(f"z/{there}_000{n}.jpg" for n in (1, 2))])
    pairs = find_rows(read_lfw_pairs(tmp_path / "pairs.txt"), faces)
    assert pairs.first.tolist() == [1, 0] and pairs.second.tolist() == [2, 2]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_table_finds_its_files_in_the_other_way_of_unicode(data, forms):
    listed, there = (unicodedata.normalize(form, "Zoë") for form in forms)
    photos.write(data / "lfw" / "lfw" / there / f"{there}_0001.jpg", height=112, width=112)
    line = f"lfw/{listed}/{listed}_0001.jpg,{listed},1"
    (data / "lfw" / "index.csv").write_text(f"file,identity,image_number\n{line}\n", encoding="utf-8")
    faces = load("lfw", 16)
    assert faces.names == (unicodedata.normalize("NFC", "Zoë"),) and faces.attributes["file"][0].startswith(
        f"lfw/{there}/"
    )
    assert text_files.find_spelling(data, "not/thére.jpg") == "not/thére.jpg"


def test_a_person_whose_zeros_a_spreadsheet_dropped_is_not_another_one(data):
    for person in ("007", "Ann"):
        photos.write(data / "lfw" / "lfw" / person / f"{person}_0001.jpg", height=112, width=112)
    lines = ["file;identity;image_number", "lfw/007/007_0001.jpg;7;1", "lfw/Ann/Ann_0001.jpg;Ann;1"]
    (data / "lfw" / "index.csv").write_text("\r\n".join(lines))
    faces, rejected = loaded("lfw")
    assert faces.names == ("Ann",) and rejected == {
        "lfw/007/007_0001.jpg": "It does not lie in the folder of its identity."
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xef\xbb\xbfa\nb\nZo\xeb", "line 3 has bytes that are not UTF-8.*CSV UTF-8"),  # cp1252, after a mark
        (b"a\rb\r\nZo\xeb", "line 3 has bytes that are not UTF-8"),
        ("a\nb".encode("utf-16") + b"\x00", "line 2 has bytes that are not UTF-16"),
        ("a\nbc".encode("utf-16-le"), "line 1 has a NUL"),
        (b"a\n\x00", "line 2 has a NUL"),
    ],
)
def test_a_file_that_is_no_text_is_named_with_its_line(tmp_path, content, said):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(BadParameterError, match=f"list.txt cannot be read as text: {said}"):
        text_files.read_text(tmp_path / "list.txt")


def test_a_folder_in_place_of_a_text(tmp_path):
    with pytest.raises(BadParameterError, match="cannot be read .Is a directory"):
        text_files.read_text(tmp_path)


LINES = ["file\tage\tname\tshare", "a.jpg\t7\t007\t0.5", "b.jpg\t41\tNone\t2", "c.jpg\t3\t\t"]


def read(path) -> pd.DataFrame:
    return text_files.read_table(path, ["file", "age"], ["name"], whole_columns=["age"])


@pytest.mark.parametrize("how", SAVED_AS)
def test_a_table_is_read_however_it_was_saved(tmp_path, how):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(LINES).replace("\t", ","))
    expected = read(path)
    assert expected["age"].tolist() == [7, 41, 3] and expected["name"][:2].tolist() == ["007", "None"]
    assert expected["share"][:2].tolist() == [0.5, 2] and expected.isna().sum().tolist() == [0, 0, 1, 1]
    path.write_bytes(SAVED_AS[how]("\n".join([f"{line}\t\t" for line in LINES] + ["\t" * 5, ""])))
    pd.testing.assert_frame_equal(read(path), expected)


def test_numbers_with_a_comma_and_fields_in_quotes(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('sep=;\nfile;age;name;share\n"a.jpg";7,0;"x;y";0,5\nb.jpg;041;"say ""hi""";2\n')
    table = read(path)
    assert table["age"].tolist() == [7, 41] and table["name"].tolist() == ["x;y", 'say "hi"']
    assert table["share"].tolist() == [0.5, 2]
    path.write_text('file, age, name, share\na.jpg, 7, b , 2\nb.jpg, 8, "c, d", 1\n')
    assert read(path)["name"].tolist() == ["b", "c, d"] and read(path)["share"].tolist() == [2, 1]
    path.write_text('file,age,name,share\na.jpg,7,x,"1,5"\n')  # between commas it may stand for 15 hundred
    assert read(path)["share"].tolist() == ["1,5"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["file,age,name", "a.jpg,7,x", "b.jpg,5"], "line 3, has 2 fields for 3 columns"),
        (["file,age", "a.jpg,7", "", "b.jpg,5,6"], "line 4, has 3 fields for 2 columns"),
        (["file,age", "a.jpg,7,5"], "line 2, has 3 fields for 2 columns"),  # every line: pandas takes the first for a name
        (["file,age,name", "a.jpg,7,2.01701E+16"], "line 2: name is '2.01701E.16', a number that a spreadsheet has rounded"),
        (["file,age,name", "a.jpg,7,2E+16"], "line 2: name is '2E.16', a number that a spreadsheet has rounded"),
        (["file;age;name", "a.jpg;7;2,01701E+16"], "line 2: name is '2,01701E.16', a number that a spreadsheet has rounded"),
        (["file,age", "a.jpg,7", "b.jpg,01.02.2026"], "line 3: age is '01.02.2026', not a whole number"),
        (["file,age", "a.jpg,"], "line 2: age is '', not a whole number"),
        (["file,age", "a.jpg,7", ",5"], "line 3: file is empty"),
        (["file,age,age", "a.jpg,7,8"], "two columns 'age'"),
        (["file,,age", "a.jpg,7,8"], "a column without a name"),
        (["files,age", "a.jpg,7"], "no column 'file'. Did you mean 'files'"),
        (['file,age', 'a.jpg,"7'], "line 2, is not a line of a table"),
        ([";;;"], "is empty"),
        ([""], "is empty"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_names_the_line(tmp_path, lines, said):
    (tmp_path / "table.csv").write_text("\n".join(lines))
    with pytest.raises(FacelabError, match=f"table.csv,? ?(:|has|is)? ?{said}"):
        read(tmp_path / "table.csv")


BYTES = st.binary(max_size=60) | st.text(alphabet='file,age;nm\t\n\r"\ufeff\0 017.-=sepé', max_size=80).map(str.encode)
HEADS = [b"", b"file,age\n", b"sep=;\n", b"\xff\xfe", b"\xef\xbb\xbf", b"2\nMale A\n", b"a.jpg 1\n"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HEADS), BYTES)
def test_whatever_the_bytes_they_are_read_or_refused_in_one_line(tmp_path_factory, head, content):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(head + content)
    for reader in (
        read,
        read_lfw_pairs,
        lambda file: read_list(file, None),
        lambda file: read_list(file, ["identity"]),
    ):
        try:
            reader(path)
        except FacelabError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("how", [*SAVED_AS, "blanks in a row"])
def test_the_lists_of_celeba_are_read_however_they_were_saved(data, how):
    for number in (1, 2, 3, 4):
        photos.write(data / "celeba" / "img_align_celeba" / f"{number:06d}.jpg")
    celeba(data / "celeba")
    expected = index(data / "celeba")
    assert (expected["rejected"] == "").all() and expected["identity"][0] == "02880"
    for name in (ATTRIBUTES, IDENTITIES, PARTITION):
        path = data / "celeba" / name
        plain = "\n".join("\t".join(line.split()) for line in path.read_text().splitlines())
        path.write_bytes(SAVED_AS.get(how, lambda text: text.replace("\t", "   ").encode())(plain + "\n\t\t\n"))
    pd.testing.assert_frame_equal(index(data / "celeba"), expected)


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        (ATTRIBUTES, "000002.jpg 1 -1", "line 4, is not a name and 3 number"),  # cut: the others would count as "no"
        (ATTRIBUTES, "000002.jpg 1 -1 2", "line 4, holds a number that is not of this list"),
        (ATTRIBUTES, "", "lists 3 photographs, not 4 as its first line says"),
        (IDENTITIES, "000002.jpg 7,5", "line 2, is not a name and 1 number"),
        (IDENTITIES, "000002.jpg 7.5", "line 2, holds a number"),
        (IDENTITIES, "000002.jpg x7", "line 2, holds a number"),
        (IDENTITIES, "000001.jpg 7", "line 2, lists a photograph again"),
        (PARTITION, "000002.jpg 3", "line 2, holds a number"),
    ],
)
def test_a_damaged_list_of_celeba_names_the_line(data, name, line, said):
    celeba(data / "celeba")
    path = data / "celeba" / name
    lines = path.read_text().splitlines()
    lines[3 if name == ATTRIBUTES else 1] = line
    path.write_text("\n".join(lines))
    with pytest.raises(FacelabError, match=f"{name},? {said}"):
        index(data / "celeba")


def test_a_photograph_that_one_list_lacks_is_told(data):
    celeba(data / "celeba")
    photos.write(data / "celeba" / "img_align_celeba" / "000001.jpg")
    photos.write(data / "celeba" / "img_align_celeba" / "000002.jpg")
    path = data / "celeba" / IDENTITIES
    path.write_text(path.read_text().splitlines()[0])
    _, rejected = loaded("celeba")
    assert rejected["img_align_celeba/000002.jpg"] == "It is not in identity_CelebA.txt."
