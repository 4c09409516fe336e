"""`python -m streetlight`: the command line, where `streetlight` itself is not on the path."""

from streetlight.cli import main

if __name__ == "__main__":
    main()
