"""HTML from Jinja templates; whatever fills a place is escaped, and a place that nothing fills is an error."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def create_environment(package: str, folder: str = "") -> Environment:
    """The templates of a package of ours, named `<name>.html.jinja`.

    Args:
        package: Dotted, `dandelion.ui`.
        folder: Where they are in it.
    """
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
