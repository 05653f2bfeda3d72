"""The experiments behind ``data/results``: one module a record, or a family of records. ``grid.py`` runs them all.

What notebooks work out of such records lies in ``analysis``. Nothing of the
package but ``cli`` imports from here; who may be imported here: everything but ``cli``.
"""
