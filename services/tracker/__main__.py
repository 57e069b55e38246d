"""Run the tracker service: `python -m services.tracker`."""

import sys

from services.common.environ import Environ
from services.common.program import run_service
from services.tracker.bootstrap import run
from services.tracker.config import config_from_environ

if __name__ == "__main__":
    sys.exit(
        run_service(
            "tracker", lambda: config_from_environ(Environ("SPOTON_TRACKER_")), run
        )
    )
