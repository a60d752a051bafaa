"""`python -m ketbase.local` is `ketbase`."""

from ketbase.local.cli import main

if __name__ == "__main__":
    main()
