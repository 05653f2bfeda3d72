"""What stands in docs/cluster can be pasted: every facelab command of it is one that the command line takes."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
import typer
import yaml

from facelab import cli
from facelab.paths import project_root

FOLDER = project_root() / "docs" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sh"))


def commands(text: str) -> list[list[str]]:
    """The words of each facelab command in a text; what a shell puts in is a word like any other."""
    text = text.replace("{}", "0").replace('"$@"', "moco").replace('"$1"', "seeds")
    names = "batch|experiment|train|sweep|run|data|leaderboard"
    return [shlex.split(line) for line in re.findall(rf"\bfacelab ((?:{names}) [^`|#\"\n]*)", text)]


def parse(words: list[str]) -> None:
    """Read a command line as ``facelab`` does, down to its last command, without doing anything."""
    command, context = typer.main.get_command(cli.app), None
    while True:
        context = command.make_context(
            words[0] if words else "facelab", list(words), parent=context, resilient_parsing=False
        )
        if not hasattr(command, "resolve_command"):
            return
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_every_command_of_the_examples_is_one(path):
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = commands(text)
    for words in found:
        try:
            parse(words)
        except cli._UsageError as error:
            if len(words) > 2 or "Missing" not in type(error).__name__:  # a text may name a command without its words
                raise
    assert found or path.suffix == ".yaml" or "facelab" not in text


def test_a_command_that_is_none_is_seen():
    for line in ("facelab batch mak x", "facelab batch run x --worker 2", "facelab batch task x y"):
        (words,) = commands(line)
        with pytest.raises(cli._UsageError):
            parse(words)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one_that_bash_reads(script):
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_job_of_kubernetes_does_one_task_a_pod():
    job = yaml.safe_load((FOLDER / "kubernetes-job.yaml").read_text(encoding="utf-8"))
    spec = job["spec"]
    assert (job["apiVersion"], job["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    (task,) = spec["template"]["spec"]["containers"]
    assert task["command"][0] == "facelab" and spec["template"]["spec"]["restartPolicy"] == "Never"
    parse(task["command"][1:])
    assert task["name"] == spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"]
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [cli._PREEMPTED]
    assert {mount["name"] for mount in task["volumeMounts"]} == {
        own["name"] for own in spec["template"]["spec"]["volumes"]
    }
    assert {own["name"] for own in task["env"]} == {"FACELAB_RUNS", "FACELAB_DATA", "FACELAB_CACHE"}


def test_the_readme_names_every_example():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w.-]+\.(?:sh|yaml|toml))\)", text))
    assert {path.name for path in FOLDER.iterdir()} - {"README.md"} == linked
