"""HTML made of a notebook whose pictures keep their alternative text: ``jupyter nbconvert --to facelab_html NOTEBOOK``.

JupyterLab offers it beside its own exports, whose template leaves the text out.
"""

from __future__ import annotations

from nbconvert.exporters import HTMLExporter
from traitlets import Unicode

_TEMPLATE = """\
{%- extends 'index.html.j2' -%}
{%- macro described(picture, alt) -%}
{{ picture | replace('<img ', '<img alt="' ~ (alt | escape_html) ~ '" ', 1) if alt else picture }}
{%- endmacro -%}
{%- block data_png scoped -%}{{ described(super(), output | get_metadata('alt', 'image/png')) }}{%- endblock -%}
{%- block data_jpg scoped -%}{{ described(super(), output | get_metadata('alt', 'image/jpeg')) }}{%- endblock -%}
"""


class DescribedHTMLExporter(HTMLExporter):
    """nbconvert's HTML, each picture with the words that its output's metadata has for it."""

    export_from_notebook = "HTML with described pictures"
    raw_template = Unicode(_TEMPLATE)
