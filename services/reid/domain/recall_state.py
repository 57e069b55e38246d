"""What was asked of the archive, as a part of the stored live set.

Unlike prototypes, the vectors of a question are part of it: prototypes change before
the answer comes, and who asks again after a restart must ask the same.
"""

import base64
from typing import Any

import numpy as np

from services.common.ids import GlobalId
from services.reid.domain.recall import Guest, Question, Recall
from services.reid.domain.values import Vector

Json = dict[str, Any]


def recall_to_json(recall: Recall) -> Json:
    """Return a recall as what JSON can hold."""
    return {
        "open": [
            [one.global_id, one.due_ns, [_text(vector) for vector in one.vectors]]
            for _, one in sorted(recall.open.items())
        ],
        "asked": sorted(recall.asked.items()),
        "guests": [
            [one, guest.until_ns, guest.asked_by]
            for one, guest in sorted(recall.guests.items())
        ],
        "merged": sorted(recall.merged),
    }


def recall_from_json(document: Json) -> Recall:
    """Return a recall from what `recall_to_json` made; an empty one from nothing."""
    return Recall(
        open={
            GlobalId(one): Question(GlobalId(one), tuple(map(_vector, texts)), due_ns)
            for one, due_ns, texts in document.get("open", ())
        },
        asked={GlobalId(one): count for one, count in document.get("asked", ())},
        guests={
            GlobalId(one): Guest(until_ns, tuple(map(GlobalId, asked_by)))
            for one, until_ns, asked_by in document.get("guests", ())
        },
        merged=set(map(GlobalId, document.get("merged", ()))),
    )


def _text(vector: Vector) -> str:
    """Return every bit of a vector."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _vector(text: str) -> Vector:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
