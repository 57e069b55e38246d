"""Run the pipeline: `python -m services.pipeline`."""

import sys

import structlog
import uvloop

from services.common.environ import ConfigError, Environ
from services.common.log import configure_logging
from services.pipeline.bootstrap import run
from services.pipeline.config import load_config


def main() -> int:
    """Serve until told to stop; return the exit status."""
    configure_logging("pipeline")
    try:
        config = load_config(Environ("SPOTON_PIPELINE_"))
        structlog.get_logger(__name__).info("configuration", config=config)
        uvloop.run(run(config))
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"pipeline: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
