"""Run the tracker: `python -m services.tracker`."""

import structlog
import uvloop

from services.common.environ import Environ
from services.common.log import configure_logging
from services.tracker.bootstrap import run
from services.tracker.config import config_from_environ

if __name__ == "__main__":
    configure_logging("tracker")
    settings = config_from_environ(Environ("SPOTON_TRACKER_"))
    structlog.get_logger(__name__).info("configuration", config=settings)
    uvloop.run(run(settings))
