"""`python -m dandelion` is `dandelion`."""

import sys

from dandelion.cli import main

if __name__ == "__main__":
    sys.exit(main())
