"""A gateway to attack."""

from tests.integration.gateway.live.conftest import (
    environment_id,
    gateway,
    mapper_address,
    pipeline,
)

__all__ = ("environment_id", "gateway", "mapper_address", "pipeline")
