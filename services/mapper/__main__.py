"""Run the mapper: `python -m services.mapper`."""

import structlog
import uvloop

from services.common.environ import Environ
from services.common.log import configure_logging
from services.mapper.bootstrap import run
from services.mapper.config import config_from_environ

if __name__ == "__main__":
    configure_logging("mapper")
    settings = config_from_environ(Environ("SPOTON_MAPPER_"))
    structlog.get_logger(__name__).info("configuration", config=settings)
    uvloop.run(run(settings))
