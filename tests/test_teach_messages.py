"""Teacher's pages: the messages that they quote are those that students see, and their minutes are those of the exercises."""

import re

import pytest

from facelab.exercises import Exercise, judge
from facelab.exercises.registry import all_exercises
from facelab.paths import project_root

PAGES = sorted((project_root() / "docs" / "teach").glob("[0-9][0-9]_*.md"))
ROW = re.compile(r"^\| (?:(\d+\.\d+): )?.+? \| (.+) \|$", re.MULTILINE)


def messages(chapter: str) -> str:
    """What the typical mistakes of a chapter's exercises are told, one a line."""
    tasks = [
        task
        for number, task in all_exercises().items()
        if number.split(".")[0] == chapter and isinstance(task, Exercise)
    ]
    return "\n".join(judge(task, answer).message for task in tasks for answer, _ in task.mistakes.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_quoted_message_is_one_that_a_student_sees(page):
    seen = messages(str(int(page.stem[:2])))
    quoted = [match[2].replace(r"\|", "|") for match in ROW.finditer(page.read_text(encoding="utf-8")) if match[1]]
    assert quoted, "no table of exercises and messages"
    assert [message for message in quoted if message not in seen] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_minutes_are_those_of_the_exercises(page):
    chapter = str(int(page.stem[:2]))
    minutes = sum(task.minutes for number, task in all_exercises().items() if number.split(".")[0] == chapter)
    assert re.search(rf"\b{minutes} minutes", page.read_text(encoding="utf-8")), f"the exercises take {minutes} minutes"
