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
    status = 0
    try:
        config = load_config(Environ("SPOTON_PIPELINE_"))
        structlog.get_logger(__name__).info("configuration", config=config)
        uvloop.run(run(config))
    except* (ConfigError, OSError) as errors:
        sys.stderr.writelines(f"pipeline: {error}\n" for error in errors.exceptions)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
