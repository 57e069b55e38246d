"""Run the mapper service: `python -m services.mapper`."""

import sys

from services.common.environ import Environ
from services.common.program import run_service
from services.mapper.bootstrap import run
from services.mapper.config import config_from_environ

if __name__ == "__main__":
    sys.exit(
        run_service(
            "mapper", lambda: config_from_environ(Environ("SPOTON_MAPPER_")), run
        )
    )
