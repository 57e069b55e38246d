"""Models of full size with random weights: what time they take, and nothing else."""

import json
from pathlib import Path
from typing import Any

from services.common.models import DetectorEntry, EmbedderEntry, load_registry

TITLE = "{name}, random weights"


def is_possible() -> bool:
    """Return whether torch and transformers are installed."""
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError:
        return False
    transformers.logging.disable_progress_bar()
    return True


def write_rtdetr_r50(folder: Path) -> DetectorEntry:
    """Write an RT-DETR with its usual backbone, and return an entry that fits it."""
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(out_features=["stage2", "stage3", "stage4"])
    model: Any = RTDetrForObjectDetection(RTDetrConfig(backbone_config=backbone))
    model.save_pretrained(folder)
    return load_registry().detector("rtdetr-r18-torch")


def write_clip_vit_b32(folder: Path) -> EmbedderEntry:
    """Write a CLIP ViT-B/32, and return the registry's entry of it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(projection_dim=512)
    model: Any = CLIPVisionModelWithProjection(config)
    model.save_pretrained(folder)
    facts = {
        "size": {"shortest_edge": config.image_size},
        "crop_size": {"height": config.image_size, "width": config.image_size},
        "resample": 3,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(facts))
    return load_registry().embedder("clip-vit-b32")
