"""The same as ``finscale find-batch-size``: the batch that trains fastest on this machine."""

import sys

from finscale.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "find-batch-size")
    main()
