"""The glossary: each term once, in order, with a notebook that has it; and no link to a term that is not there."""

from __future__ import annotations

import re

import pytest

from facelab.paths import project_root

ROOT = project_root()
TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^(?!:)(.+)\n: (.+)$", TEXT.partition("{.glossary}\n")[2], re.MULTILINE)
MET_IN = re.compile(r"\*Met in\* \[(\d\d)\]\(\.\./notebooks/(\1_\w+\.ipynb)\)\.$")
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("notebooks/*.ipynb"), ROOT / "README.md"])


def sort_key(term: str) -> str:
    return re.sub(r"[^a-z0-9 ]", "", term.lower())


def test_every_line_belongs_to_an_entry():
    lines = [line for line in TEXT.partition("{.glossary}\n")[2].splitlines() if line.strip()]
    assert len(ENTRIES) > 100 and len(lines) == 2 * len(ENTRIES)


def test_terms_are_unique_and_in_order():
    keys = [sort_key(term) for term, _ in ENTRIES]
    assert keys == sorted(set(keys))


def names_of(term: str) -> list[str]:
    """Both names of "moving average (EMA)"; of "scale (of a loss)" the first alone."""
    name, _, more = term.rstrip(")").partition(" (")
    return [name, *(short for short in more.split(", ") if short != short.lower())]


def stands_in(name: str, source: str) -> bool:
    words = re.escape(name).replace(r"\ ", r"[\s#_-]+")  # a line may end between two words
    return re.search(rf"(?<![a-z]){words}(?:s|es)?(?![a-z])", source, re.IGNORECASE) is not None


@pytest.mark.parametrize("term, text", ENTRIES, ids=[term for term, _ in ENTRIES])
def test_an_entry_names_a_notebook_that_has_the_term(term, text):
    met = MET_IN.search(text)
    assert met, "it ends with *Met in* [NN](../notebooks/NN_name.ipynb)."
    source = (ROOT / "notebooks" / "src" / met[2]).with_suffix(".py").read_text(encoding="utf-8")
    assert any(stands_in(name, source) for name in names_of(term))


def test_the_standards_terms_are_there():
    explained = dict(ENTRIES)
    for term, standard in {
        "FMR": "false match rate (ISO/IEC 19795-1)",
        "FNMR": "false non-match rate (ISO/IEC 19795-1)",
        "FPIR": "false positive identification rate (ISO/IEC 19795-1)",
        "FNIR": "false negative identification rate (ISO/IEC 19795-1)",
        "probe": "biometric probe (ISO/IEC 2382-37)",
        "template": "biometric template (ISO/IEC 2382-37)",
        "APCER": "attack presentation classification error rate (ISO/IEC 30107-3)",
        "BPCER": "bona fide presentation classification error rate (ISO/IEC 30107-3)",
    }.items():
        assert f"*In the standards:* {standard}." in explained[term]


def linked_terms(text: str) -> list[str]:
    """Terms that a text links: by the role of Sphinx, or by an anchor of the page."""
    roles = [re.sub(r".*<(.*)>", r"\1", role, flags=re.DOTALL) for role in re.findall(r"\{term\}`([^`]+)`", text)]
    anchors = re.findall(r"glossary(?:\.md|\.html)#term-([\w-]+)", text)
    return [" ".join(role.split()) for role in roles] + [anchor.replace("-", " ") for anchor in anchors]


def test_links_to_terms_are_found():
    assert linked_terms("{term}`FMR` {term}`the rate <FNMR>` [a](glossary.md#term-hill-climbing)") == [
        "FMR", "FNMR", "hill climbing",
    ]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_term_that_is_linked_exists(page):
    known = {sort_key(term) for term, _ in ENTRIES}
    assert [term for term in linked_terms(page.read_text(encoding="utf-8")) if sort_key(term) not in known] == []
