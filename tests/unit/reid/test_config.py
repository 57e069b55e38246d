"""Configuration from the environment."""

import pytest

from services.common.environ import ConfigError
from services.reid.config import load_config

REQUIRED = {
    "SPOTON_REID_POSTGRES_DSN": "postgresql://reid@127.0.0.1:7301/spoton",
    "SPOTON_REID_REDIS_URL": "redis://127.0.0.1:7302/0",
    "SPOTON_REID_S3_ENDPOINT": "http://127.0.0.1:7303",
    "SPOTON_REID_S3_BUCKET": "spoton",
    "SPOTON_REID_S3_ACCESS_KEY": "key",
    "SPOTON_REID_S3_SECRET_KEY": "hidden",
}


def test_the_stores_are_all_that_must_be_set() -> None:
    """Everything but the stores has a default."""
    config = load_config(REQUIRED)
    assert config.server.listen == "127.0.0.1:7102"
    assert config.server.metrics_listen == "127.0.0.1:7202"
    assert config.embedders == ("stripes",)


def test_several_embedders_are_read_in_order() -> None:
    """Commas part the embedders; the first is the default."""
    names = {"SPOTON_REID_EMBEDDER": "osnet-x0-25-msmt17, stripes"}
    config = load_config({**REQUIRED, **names})
    assert config.embedders == ("osnet-x0-25-msmt17", "stripes")


def test_a_retention_is_given_in_days() -> None:
    """Without one, nobody is ever forgotten."""
    assert load_config(REQUIRED).retention_s == 0
    week = {"SPOTON_REID_RETENTION_DAYS": "7"}
    assert load_config({**REQUIRED, **week}).retention_s == 7 * 86_400


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_store_is_named(name: str) -> None:
    """The error says which variable is missing."""
    with pytest.raises(ConfigError, match=name):
        load_config({one: text for one, text in REQUIRED.items() if one != name})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WINDOW", "0"),
        ("DEVICE", "tpu"),
        ("MAX_WAIT_S", "soon"),
        ("LISTEN", "here"),
        ("EMBEDDER", "stripes,,osnet"),
        ("EMBEDDER", "stripes,stripes"),
        ("FAISS_INDEX", "tree"),
        ("RETENTION_DAYS", "-1"),
        ("FAISS_DEVICE", "tpu"),
        ("FALLBACK", "hope"),
    ],
)
def test_bad_values_are_refused(name: str, text: str) -> None:
    """The error says which variable is wrong."""
    with pytest.raises(ConfigError, match=f"SPOTON_REID_{name}"):
        load_config({**REQUIRED, f"SPOTON_REID_{name}": text})


def test_secrets_are_not_printed() -> None:
    """The printed configuration holds no key."""
    assert "hidden" not in repr(load_config(REQUIRED).s3)
