#!/usr/bin/env python3
"""Train one model: the same as ``finscale train``; ``--help`` says what it takes."""

import sys

from finscale.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train"]
    main()
