"""Make keys for a mesh: `python -m services.common.mesh FOLDER NAME...`.

Writes `NAME.pem` for each member, unless it is there, and `trust.json` with the public
keys of all of them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from services.common.errors import InvalidInput
from services.common.mesh.keys import load_or_create_signing_key, trust_document


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m services.common.mesh", description="Make keys for a mesh."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("members", nargs="+", metavar="name", help="such as mapper")
    options = parser.parse_args(arguments)
    try:
        keys = {
            name: load_or_create_signing_key(options.folder / f"{name}.pem", name)
            for name in options.members
        }
        trust = options.folder / "trust.json"
        trust.write_text(trust_document(keys), encoding="utf-8")
    except (InvalidInput, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
