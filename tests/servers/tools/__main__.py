"""Installs the tools that are named, or all of them, and says where they are."""

from __future__ import annotations

import sys

from tests.servers import tools


def main() -> int:
    """Go on after one that cannot be had, and say so at the end."""
    failed = 0
    for name in sys.argv[1:] or tools.TOOLS:
        try:
            print(f"{name}: {tools.find(name)}", flush=True)
        except tools.ToolMissingError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
