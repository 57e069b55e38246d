"""Run the gateway: `python -m services.gateway`."""

import sys

from services.common.environ import Environ
from services.common.program import run_service
from services.gateway.bootstrap import run
from services.gateway.config import config_from_environ

if __name__ == "__main__":
    sys.exit(
        run_service(
            "gateway", lambda: config_from_environ(Environ("SPOTON_GATEWAY_")), run
        )
    )
