"""How the documentation site is built: ``make docs`` writes docs/_build/html."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# examples and pages that run code measure nothing: one thread, no temperature watch
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import api_pages  # noqa: E402

import finscale  # noqa: E402

project = "finscale"
author = "the finscale authors"
project_copyright = "the finscale authors, Apache-2.0"
version = release = finscale.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "native_math",
    "reference_pages",
]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = [
    "_build",
    "_results",
    "gallery",
    "auto_examples/**.ipynb",
    "auto_examples/sg_execution_times.rst",
    "sg_execution_times.rst",
    "reference/_generated",
]
templates_path = ["_templates"]
toc_object_entries_show_parents = "hide"
highlight_language = "none"
smartquotes = False  # `--budget` is no dash
html_math_renderer = "mathml"

# Only references into finscale are checked: other libraries' inventories would need a network.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!finscale\.).*")]
show_warning_types = True

myst_enable_extensions = ["colon_fence", "deflist", "attrs_block", "attrs_inline", "fieldlist"]
myst_heading_anchors = 3

autodoc_preserve_defaults = True  # as written: a default may hold a path of this machine
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_default_options = {"exclude-members": "model_config, model_post_init"}
autosummary_generate = True
autosummary_imported_members = True
autosummary_filename_map = api_pages.filenames()
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 600,
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib",),
    "abort_on_example_error": False,
    "nested_sections": False,
}
suppress_warnings = ["config.cache"]  # sphinx-gallery's settings hold functions

html_theme = "pydata_sphinx_theme"
html_title = "finscale"
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["finscale.css"]
html_favicon = "_static/mark.svg"
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_sidebars = {"index": [], "LOG": [], "performance": []}
html_theme_options = {
    "logo": {
        "text": "finscale",
        "image_light": "_static/mark.svg",
        "image_dark": "_static/mark.svg",
    },
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "show_nav_level": 1,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "github-dark",
    "back_to_top_button": True,
}
