"""The reid service with an embedder for recorded vectors, as a process of its own.

Run as `python -m tests.accuracy.identity.reid_service`, configured as the service is.
SPOTON_EVAL_VECTOR_MODELS names the models: `id:dimensions:match_similarity`, with
commas between them.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.common.drain import DrainSignal
from services.common.environ import ConfigError
from services.common.grpc_server import serve
from services.common.ids import ModelId
from services.common.images import RgbImage
from services.common.models.entries import PixelOrder
from services.common.program import run_service
from services.reid.bootstrap import prepare, wired
from services.reid.config import ReidConfig, load_config
from services.reid.service.embedding import EmbedderModel
from tests.accuracy.identity.recording import VectorModel

VARIABLE = "SPOTON_EVAL_VECTOR_MODELS"


class RecordedVectors:
    """Stands for a model whose vectors come with the recording; see Embedder."""

    max_batch = 1

    def __init__(self, model: VectorModel) -> None:
        """Take what is known about the model."""
        self.model = EmbedderModel(
            model_id=model.model_id,
            width_px=1,
            height_px=1,
            pixel_order=PixelOrder.RGB,
            dimensions=model.dimensions,
            match_similarity=model.match_similarity,
        )

    def embed(self, batch: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Return zeros, which the service refuses: there are no pixels to look at."""
        return np.zeros((len(batch), self.model.dimensions), np.float32)


def to_variable(models: Sequence[VectorModel]) -> str:
    """Return what tells the service about models."""
    return ",".join(
        f"{one.model_id}:{one.dimensions}:{one.match_similarity!r}" for one in models
    )


def from_variable(text: str) -> Sequence[VectorModel]:
    """Return the models that the variable names.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        parts = [one.rsplit(":", 2) for one in text.split(",")]
        return [
            VectorModel(ModelId(name), int(dimensions), float(similarity))
            for name, dimensions, similarity in parts
        ]
    except ValueError:
        message = f"{VARIABLE} must be id:dimensions:match_similarity, got {text!r}"
        raise ConfigError(message) from None


async def run(config: ReidConfig) -> None:
    """Serve until told to stop."""
    models = from_variable(os.environ.get(VARIABLE, ""))
    drain = DrainSignal(
        grace_s=config.server.drain_grace_s, max_stream_age_s=config.max_stream_age_s
    )
    async with wired(config, [RecordedVectors(one) for one in models], drain) as added:
        await serve(
            config.server,
            added,
            drain,
            ready=lambda: asyncio.ensure_future(prepare(config)),
        )


if __name__ == "__main__":
    sys.exit(run_service("reid", load_config, run))
