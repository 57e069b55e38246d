"""Run the pipeline service: `python -m services.pipeline`."""

import sys

from services.common.environ import Environ
from services.common.program import run_service
from services.pipeline.bootstrap import run
from services.pipeline.config import load_config

if __name__ == "__main__":
    sys.exit(
        run_service("pipeline", lambda: load_config(Environ("SPOTON_PIPELINE_")), run)
    )
