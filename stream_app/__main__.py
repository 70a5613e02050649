"""`python -m stream_app` is the console script."""

from stream_app.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
