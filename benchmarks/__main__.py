"""``python -m benchmarks [PARTS ...] [--small]``: measure, keep it in ``results.json``, and write the table of the README."""

from __future__ import annotations

import argparse
from types import ModuleType

from benchmarks import end_to_end, learning, losses, memory, network, notebooks, search, steps, verification, views
from benchmarks.command import one_line_errors
from benchmarks.machine import LoadWatch, begin_with_one_thread
from benchmarks.results import Measured, Results, results_to_begin, results_to_complete
from benchmarks.table import table, write_readme
from benchmarks.timing import Effort
from facelab.heap import kept_memory
from facelab.paths import project_root

#: in the order of the table
PARTS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (views, steps, end_to_end, learning, network, losses, memory, verification, search, notebooks)
}
#: parts that take an hour or more and a data set: measured where they are named
BY_NAME = ("learning",)


def measure_part(name: str, effort: Effort) -> Measured:
    """One part, as its module measures it."""
    watch = LoadWatch()
    rows = PARTS[name].measure(effort)
    return Measured.now(PARTS[name].TITLE, watch, rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure parts, one after the other; what is done is kept where a later one fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all but {', '.join(BY_NAME)} by default")
    parser.add_argument("--small", action="store_true", help="only see that the parts work; nothing is kept")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    begin_with_one_thread()
    with one_line_errors(parser):  # a data set that is not here, results of another machine, damaged ones
        measure_and_show(chosen.parts, Effort(chosen.small))


def measure_and_show(named: list[str], effort: Effort) -> None:
    """Measure the named parts, or without names all but ``BY_NAME``; print the table, and keep both unless it is small.

    Raises:
        FacelabError: a part cannot be measured here, the file of the results is damaged, or parts were named and the others
            are of another machine.
    """
    begin = results_to_complete if named else results_to_begin
    results = Results() if effort.small else begin()
    for name in named or [name for name in PARTS if name not in BY_NAME]:
        print(f"{name} ...", flush=True)
        with kept_memory():  # as in ``fit``: for all contenders alike
            results.parts[name] = measure_part(name, effort)
        results.parts = {part: results.parts[part] for part in PARTS if part in results.parts}
        if not effort.small:
            results.write()
    print(table(results))
    if not effort.small:
        write_readme(project_root() / "README.md", results)


if __name__ == "__main__":
    main()
