"""Sphinx's settings. The pages themselves are put together by ``python -m docs.site``."""

project = "Paysaga"
author = "the Paysaga authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"

myst_heading_anchors = 4
# Examples hold dots where nobody needs to know more; no lexer takes that for JSON.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "Paysaga"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
