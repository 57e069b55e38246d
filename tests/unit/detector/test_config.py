"""The environment configures the detector, or is told what is wrong."""

import pytest

from services.common.devices import Device, Fallback, Precision
from services.common.environ import ConfigError
from services.common.models import cache_dir
from services.detector.config import load_config
from services.detector.domain.geometry import Size


def test_defaults_come_from_the_registry() -> None:
    """Without variables the demo's model runs as it was measured."""
    config = load_config({})
    assert config.models[0].model_id == "movenet-multipose"
    assert config.server.listen == "127.0.0.1:7101"
    assert config.input_size == Size(480, 480)


def test_variables_change_size_and_tiles() -> None:
    """Input size and tile policy can be set."""
    config = load_config(
        {
            "SPOTON_DETECTOR_INPUT_SIZE": "384",
            "SPOTON_DETECTOR_TILE_COLUMNS": "2",
            "SPOTON_DETECTOR_TILE_OVERLAP": "0.1",
        }
    )
    assert config.input_size == Size(384, 384)
    (model,) = config.models
    assert (model.tile_columns, model.tile_rows) == (2, 1)
    assert model.tile_overlap == 0.1


def test_several_models_are_named() -> None:
    """The first model is the default, and alone has size and tiles from variables."""
    config = load_config(
        {
            "SPOTON_DETECTOR_MODEL": "movenet-multipose, yolox-nano",
            "SPOTON_DETECTOR_INPUT_SIZE": "384",
            "SPOTON_DETECTOR_TILE_ROWS": "2",
        }
    )
    sizes = [(m.model_id, m.input_width_px, m.tile_rows) for m in config.models]
    assert sizes == [("movenet-multipose", 384, 2), ("yolox-nano", 416, 1)]


def test_devices_are_read() -> None:
    """Device, precision and fallback can be set; the CPU at float32 is the default."""
    assert load_config({}).devices.device is Device.CPU
    config = load_config(
        {
            "SPOTON_DETECTOR_DEVICE": "tensorrt",
            "SPOTON_DETECTOR_PRECISION": "float16",
            "SPOTON_DETECTOR_FALLBACK": "cpu",
        }
    )
    devices = config.devices
    assert config.batching.threads == 2
    assert (devices.device, devices.precision) == (Device.TENSORRT, Precision.FLOAT16)
    assert devices.fallback is Fallback.CPU
    assert devices.engine_dir == cache_dir() / "tensorrt"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPOTON_DETECTOR_MODEL", "stripes"),
        ("SPOTON_DETECTOR_TILE_ROWS", "0"),
        ("SPOTON_DETECTOR_TILE_OVERLAP", "0.9"),
        ("SPOTON_DETECTOR_MODEL", "movenet-multipose,movenet-multipose"),
        ("SPOTON_DETECTOR_MODEL", "movenet-multipose,"),
        ("SPOTON_DETECTOR_DEVICE", "abacus"),
        ("SPOTON_DETECTOR_PRECISION", "float16"),
        ("SPOTON_DETECTOR_FALLBACK", "gpu"),
        ("SPOTON_DETECTOR_INFERENCE_THREADS", "many"),
    ],
)
def test_bad_values_are_named(name: str, value: str) -> None:
    """A value that cannot be used ends in an error that names its variable."""
    with pytest.raises(ConfigError, match=name):
        load_config({name: value})
