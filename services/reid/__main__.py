"""Run the service: `python -m services.reid`."""

import sys

import uvloop

from services.common.environ import ConfigError
from services.common.errors import SpotOnError
from services.common.log import configure_logging
from services.common.models import WrongHash
from services.reid.bootstrap import run
from services.reid.config import load_config


def main() -> int:
    """Serve until told to stop; return the exit status."""
    configure_logging("reid")
    try:
        uvloop.run(run(load_config()))
    except (ConfigError, SpotOnError, WrongHash, OSError) as error:
        sys.stderr.write(f"reid: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
