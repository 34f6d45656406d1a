"""Sphinx: the docstrings of utils as pages. `make docs` puts them into build/docs."""

project = "Lung segmentation, from DICOM to an honest score"
copyright = "the authors named in CITATION.cff"
extensions = ["sphinx.ext.autodoc", "numpydoc"]
autodoc_inherit_docstrings = False  # those of torch refer to pages of torch
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the classes of torch would list hundreds of inherited ones
html_theme = "alabaster"
html_theme_options = {"page_width": "70em"}
exclude_patterns = ["modules/utils.rst"]  # the package itself has nothing to say


def setup(app):
    """Let |P| be the size of a set, as in mathematics; reStructuredText would substitute it."""

    def escape(app, what, name, obj, options, lines):
        lines[:] = [line.replace("|", r"\|") for line in lines]

    app.connect("autodoc-process-docstring", escape)
