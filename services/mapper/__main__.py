"""Run the mapper: `python -m services.mapper`."""

import sys

import structlog
import uvloop

from services.common.environ import ConfigError, Environ
from services.common.log import configure_logging
from services.mapper.bootstrap import run
from services.mapper.config import config_from_environ


def main() -> int:
    """Serve until told to stop; return the exit status."""
    configure_logging("mapper")
    status = 0
    try:
        config = config_from_environ(Environ("SPOTON_MAPPER_"))
        structlog.get_logger(__name__).info("configuration", config=config)
        uvloop.run(run(config))
    except* (ConfigError, OSError) as errors:
        sys.stderr.writelines(f"mapper: {error}\n" for error in errors.exceptions)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
