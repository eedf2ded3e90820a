"""``python -m thsafe``."""

import sys

if __name__ == "__main__":
    # A folder called "generators" in the current directory must not shadow ours.
    sys.path[:] = [entry for entry in sys.path if entry not in {"", "."}]
    from thsafe.cli.main import main

    main()
