"""HTML from Jinja templates: every value is escaped, and an undefined variable is an error."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def create_environment(package: str, folder: str = "") -> Environment:
    """The templates of one of our packages, named `<name>.html.jinja`.

    Args:
        package: Dotted name, such as `dandelion.ui`.
        folder: Folder of the templates in the package.
    """
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
