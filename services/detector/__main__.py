"""Run the detector service: `python -m services.detector`."""

import sys

from services.common.program import run_service
from services.detector.bootstrap import run
from services.detector.config import load_config

if __name__ == "__main__":
    sys.exit(run_service("detector", load_config, run))
