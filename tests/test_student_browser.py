"""A student in JupyterLab, in real Chromium: opens a notebook of their copy, runs all cells, sees the verdicts, saves."""

import json
from pathlib import Path

import camera
import pytest
from student import LIMIT, exercises_of, facelab, install, printed, running_lab, write_answers

lacking = camera.missing_requirement()
pytestmark = pytest.mark.skipif(lacking is not None, reason=lacking or "")


class Lab:
    """What somebody does with JupyterLab's page."""

    def __init__(self, browser) -> None:
        self.browser = browser
        browser.set_window_size(1400, 1000)  # or the bar hides some of its menus

    def wait(self, condition) -> None:
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        redrawn = [StaleElementReferenceException]  # what was found is drawn again meanwhile
        try:
            WebDriverWait(self.browser, LIMIT, 0.2, ignored_exceptions=redrawn).until(lambda _: condition())
        except Exception as problem:
            raise AssertionError(f"Waited in vain; the page shows: {self.text()[:2000]}") from problem

    def text(self) -> str:
        return self.browser.execute_script("return document.body.innerText")

    def shown(self, selector: str) -> list:
        return [found for found in self.browser.find_elements("css selector", selector) if found.is_displayed()]

    def choose(self, menu: str, command: str) -> None:
        """An entry of a menu of the bar, by its command."""
        [title] = [found for found in self.shown(".lm-MenuBar-itemLabel") if found.text == menu]
        title.click()
        entry = f'.lm-Menu-item[data-command="{command}"]'
        self.wait(lambda: self.shown(entry))
        self.shown(entry)[0].click()

    def open(self, address: str, notebook: str) -> None:
        """The notebook, with a kernel that is ready."""
        self.browser.get(f"{address}/lab/tree/{notebook}")
        self.wait(lambda: self.shown(".jp-Notebook .jp-CodeCell"))
        self.wait(lambda: "| Idle" in self.text())  # the status bar, of the kernel

    def run_all(self) -> None:
        self.choose("Run", "runmenu:run-all")

    def save(self, path: Path, known: str) -> None:
        """Save, and wait until the file holds what the page shows."""
        self.choose("File", "docmanager:save")
        self.wait(lambda: known in printed(path))


def test_run_all_shows_the_verdicts_and_the_saved_file_is_kept_by_an_update(tmp_path):
    site, course = install(tmp_path / "site"), tmp_path / "course"
    assert facelab(site, tmp_path, "start", "course").returncode == 0
    mine = course / "notebooks" / "00_start_here.ipynb"
    write_answers(mine, 2)
    right, wrong, none = exercises_of(2)[:3]
    with running_lab(site, course, tmp_path / "lab.log") as address:
        browser = camera.start_chromium(tmp_path / "profile", tmp_path / "no camera")
        try:
            lab = Lab(browser)
            lab.open(address, "notebooks/00_start_here.ipynb")
            lab.run_all()
            lab.wait(lambda: f"Exercise {none.name}" in lab.text() and "recorded 1 numbers" in lab.text())
            assert f"Exercise {right.name}: right" in lab.text() and f"Exercise {wrong.name}: " in lab.text()
            lab.save(mine, f"Exercise {none.name}")
        finally:
            browser.quit()
    noted = {path.name for path in (course / "runs" / "exercises").iterdir()}
    assert noted == {f"{right.number}.right.json", f"{wrong.number}.wrong.json"}
    assert (course / "runs" / "records" / "02_cnn_mlp" / "laptop-orl-wild-0.json").is_file()
    work = mine.read_bytes()
    assert (
        json.loads(work)["cells"]
        and "so kept: notebooks/00_start_here.ipynb" in facelab(site, course, "start", ".").stdout
    )
    assert mine.read_bytes() == work
