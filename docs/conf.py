"""The documentation site: Sphinx with MyST, Furo and myst-nb. `make docs` builds it."""

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "site")]
# Notebooks run in processes of their own, which look for the package here, too.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

import keras_style  # noqa: E402


def _package_digest() -> str:
    """Changes whenever the package does: results of notebooks belong to it."""
    files = sorted((ROOT / "keras_style").rglob("*.py"))
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]


project = "keras_style"
author = "the authors of keras_style"
release = version = keras_style.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_copybutton",
    "sphinxcontrib.katex",
    "generated_pages",
    "notebook_files",
    "paint_page",
    "plain_docstrings",
    "source_links",
]
exclude_patterns = ["site/**", "images/**"]
source_suffix = {".md": "myst-nb", ".py": "myst-nb"}
exclude_patterns += ["conf.py", "pictures.py"]
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}

# Pages

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
highlight_language = "none"  # an indented block is a formula or a listing
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Notebooks: run anew where the notebook or the package has changed, and a cell that fails ends the build.

nb_execution_mode = os.environ.get("KERAS_STYLE_NOTEBOOKS", "cache")  # "off": pages without results, in seconds
nb_execution_cache_path = str(ROOT / "build" / "notebook_results" / _package_digest())
nb_execution_raise_on_error = True
nb_execution_timeout = 3600  # seconds for a cell; machines may be busy
nb_merge_streams = True
nb_output_stderr = "remove"  # what TensorFlow logs while it is loaded

# Formulas are rendered while the site is built, so that pages need no script for them.

katex_prerender = True
katex_css_path = "katex/katex.min.css"
katex_js_path = str(
    DOCS / "site" / "node_modules" / "katex" / "dist" / "katex.min.js"
)  # the version of the style sheet

# The API, from docstrings

default_role = "code"  # docstrings write names in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
add_module_names = False
napoleon_use_ivar = True
autodoc_inherit_docstrings = False  # those of Keras are in its own documentation

# Looks

html_theme = "furo"
html_title = "keras_style"
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options: dict[str, Any] = {
    "light_css_variables": {"color-brand-primary": "#1f4fa3", "color-brand-content": "#1f4fa3"},
    "dark_css_variables": {"color-brand-primary": "#f2c14e", "color-brand-content": "#f2c14e"},
}


def copy_katex(app: Any, exception: Exception | None) -> None:
    """Put KaTeX's style sheet and fonts beside the pages."""
    if exception is None and app.builder.format == "html":
        source = DOCS / "site" / "node_modules" / "katex" / "dist"
        target = Path(app.outdir) / "_static" / "katex"
        shutil.copytree(
            source / "fonts",
            target / "fonts",
            dirs_exist_ok=True,
            ignore=lambda _, names: [n for n in names if not n.endswith("woff2")],
        )
        shutil.copy(source / "katex.min.css", target)


def name_levels(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Give the headings of the sidebar the level that screen readers need; Sphinx leaves it out."""
    if "furo_navigation_tree" in context:
        tree_text = context["furo_navigation_tree"]
        context["furo_navigation_tree"] = tree_text.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Any) -> None:
    app.connect("build-finished", copy_katex)
    app.connect("html-page-context", name_levels, priority=900)  # after Furo
