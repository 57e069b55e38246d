"""Run the analytics service: `python -m services.analytics`."""

import sys

from services.analytics.bootstrap import run
from services.analytics.config import load_config
from services.common.environ import Environ
from services.common.program import run_service

if __name__ == "__main__":
    sys.exit(
        run_service("analytics", lambda: load_config(Environ("SPOTON_ANALYTICS_")), run)
    )
