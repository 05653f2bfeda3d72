"""The settings that earlier projects ran, by name: ``data/recipes.toml``, for ``facelab train --recipe NAME``."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from facelab.commands.console import console, print_table
from facelab.errors import BadParameterError, nearest_name
from facelab.paths import project_data

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIST = "list"  #: what is typed in place of a name to see all of them


@dataclass(frozen=True)
class ProjectRecipe:
    """What an earlier project ran.

    Attributes:
        name: of the recipe.
        source: the project, as ``data/founding.csv`` calls it where it has it.
        what: it is, in a line.
        settings: value of each option of ``facelab train`` that the project decided, by the option's name in Python; the
            method is one of them.
        param: options of the method, as typed after ``-p``.
    """

    name: str
    source: str
    what: str
    settings: dict[str, object]
    param: dict[str, str]


def read_recipes() -> dict[str, ProjectRecipe]:
    """Every recipe by its name, in the order of the file."""
    tables = tomllib.loads(project_data("recipes.toml").read_text(encoding="utf-8"))
    return {name: _recipe(name, tables) for name in tables}


def _recipe(name: str, tables: dict[str, dict]) -> ProjectRecipe:
    settings = dict(tables[name])
    param = {option: str(value) for option, value in settings.pop("param", {}).items()}
    source, what, base = (settings.pop(key, None) for key in ("source", "what", "based_on"))
    if base is None:
        return ProjectRecipe(name, source, what, settings, param)
    basis = _recipe(base, tables)
    return ProjectRecipe(name, source or basis.source, what, basis.settings | settings, basis.param | param)


def get_recipe(name: str) -> ProjectRecipe:
    """A recipe by name.

    Raises:
        BadParameterError: none has that name.
    """
    recipes = read_recipes()
    if name not in recipes:
        raise BadParameterError(
            f"No recipe is called {name!r}.{nearest_name(name, recipes)}", f"facelab train --recipe {LIST} names them."
        )
    return recipes[name]


def use_recipe(context: typer.Context, name: str | None) -> str | None:
    """Where ``--recipe`` is typed: its values become the defaults of the other options, so that what is typed overrides them.

    Raises:
        BadParameterError: as for ``get_recipe``.
    """
    if name == LIST:
        print_recipes()
        raise typer.Exit
    if name is not None:
        context.default_map = get_recipe(name).settings
    return name


def print_recipes() -> None:
    """One row a recipe."""
    found = read_recipes().values()
    print_table(("recipe", "source", "what"), [(one.name, one.source, one.what) for one in found])
    console.print("facelab train --recipe NAME; an option that is typed beside it overrides it, as --dataset orl-wild.")
    console.print(f"All settings, and what is not told: {project_data('recipes.toml')}")
