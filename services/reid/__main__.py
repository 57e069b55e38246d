"""Run the reid service: `python -m services.reid`."""

import sys

from services.common.program import run_service
from services.reid.bootstrap import run
from services.reid.config import load_config

if __name__ == "__main__":
    sys.exit(run_service("reid", load_config, run))
