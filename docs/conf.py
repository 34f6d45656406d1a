"""Sphinx: the rooms of utils as chapters. `make docs` puts them into build/docs."""

import re

project = "Lung segmentation"
copyright = "the authors named in CITATION.cff"
extensions = ["sphinx.ext.autodoc"]
autodoc_inherit_docstrings = False  # those of torch refer to pages of torch
autodoc_member_order = "bysource"
default_role = "code"  # one backtick is enough in a docstring
maximum_signature_line_length = 88
smartquotes = False  # would make one dash of the two before an option
html_theme = "alabaster"
html_theme_options = {"page_width": "70em", "sidebar_width": "17em", "body_max_width": "auto"}

# "mask, truth : " where a sentence begins, as docstrings here name parameters
PARAMETERS = re.compile(r"(^|(?<=[.;)] ))([a-z]\w*(?:, [a-z]\w*)*) :(?= |$)")


def as_written(app, what, name, obj, options, lines):
    """Show a docstring as its author saw it: tables line by line, parameters to be found.

    Indented lines stay as they stand; in the others parameters become bold, and |P|, the size of a
    set, is kept from reStructuredText, which would substitute it.
    """
    shown, table = [], False
    for before, line in zip(["", *lines], lines, strict=False):
        indented = line.startswith("    ")
        if indented and not before and not table:
            shown += ["::", ""]
        table = (indented and not before) or (table and (indented or not line))
        shown.append(line if table else PARAMETERS.sub(r"\1**\2** :", line.replace("|", r"\|")))
    lines[:] = shown


def setup(app):
    app.connect("autodoc-process-docstring", as_written)
