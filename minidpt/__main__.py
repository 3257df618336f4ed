"""`python -m minidpt` is the command `minidpt`."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
