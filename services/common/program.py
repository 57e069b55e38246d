"""Run a service as a program: configure, serve, and end with one line if that fails."""

import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog
import uvloop

from services.common.environ import ConfigError
from services.common.errors import SpotOnError
from services.common.log import configure_logging
from services.common.models import WrongHash
from services.common.tracing import trace_settings, tracing

Config = TypeVar("Config")


def run_service(
    name: str,
    load_config: Callable[[], Config],
    run: Callable[[Config], Coroutine[Any, Any, None]],
) -> int:
    """Serve until told to stop; return the exit status.

    Args:
        name: Of the service, for logs.
        load_config: Reads the configuration, which is logged and must hide its secrets.
        run: Serves.
    """
    configure_logging(name)
    status = 0
    try:
        config = load_config()
        structlog.get_logger(__name__).info("configuration", config=config)
        with tracing(name, trace_settings()):
            uvloop.run(run(config))
    except* (ConfigError, SpotOnError, WrongHash, OSError) as errors:
        sys.stderr.writelines(f"{name}: {error}\n" for error in errors.exceptions)
        status = 1
    return status
