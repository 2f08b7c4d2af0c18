"""``python -m finscale`` is ``finscale``."""

from finscale.cli import main

if __name__ == "__main__":
    main()
