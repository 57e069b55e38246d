"""Run the tracker: `python -m services.tracker`."""

import sys

import structlog
import uvloop

from services.common.environ import ConfigError, Environ
from services.common.log import configure_logging
from services.tracker.bootstrap import run
from services.tracker.config import config_from_environ


def main() -> int:
    """Serve until told to stop; return the exit status."""
    configure_logging("tracker")
    try:
        config = config_from_environ(Environ("SPOTON_TRACKER_"))
        structlog.get_logger(__name__).info("configuration", config=config)
        uvloop.run(run(config))
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"tracker: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
