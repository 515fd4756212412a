"""How docs/ becomes a site: `make site`. A link that leads nowhere is an error, and so is a page that no list names."""

project = "ledgernode"
author = "the authors of ledgernode"
copyright = author  # noqa: A001  # Sphinx reads this name
extensions = ["myst_parser"]
root_doc = "site/index"
source_suffix = {".md": "markdown"}
exclude_patterns = ["site/conf.py"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.header", "misc.highlighting_failure"]  # levels below a code; answers as CSV
html_theme = "furo"
html_title = "ledgernode"
html_show_sourcelink = False
