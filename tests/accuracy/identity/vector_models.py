"""The model that recorded vectors are said to be of."""

from services.common.ids import ModelId
from services.reid.domain.appearance import AppearanceModel
from tests.accuracy.identity.recording import Recording, VectorModel

NO_VECTORS = VectorModel(ModelId("no-vectors"), 1, 0.5)
"""Named by sessions over recordings without vectors; it is never asked."""


def model_of(recording: Recording) -> VectorModel:
    """Return the model that sessions over a recording name."""
    return recording.vector_model or NO_VECTORS


def appearance_of(model: VectorModel) -> AppearanceModel:
    """Return what the association must know about a model."""
    return AppearanceModel(model.model_id, model.dimensions, model.match_similarity)
