"""Run the detector: `python -m services.detector`."""

import sys

import uvloop

from services.common.environ import ConfigError
from services.common.errors import SpotOnError
from services.common.log import configure_logging
from services.common.models import WrongHash
from services.detector.bootstrap import run
from services.detector.config import load_config


def main() -> int:
    """Serve until told to stop; return the exit status."""
    configure_logging("detector")
    try:
        uvloop.run(run(load_config()))
    except (ConfigError, SpotOnError, WrongHash, OSError) as error:
        sys.stderr.write(f"detector: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
