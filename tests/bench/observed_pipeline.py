"""The pipeline service, with every latency of a session written down at its end.

Run as `python -m tests.bench.observed_pipeline`. Sessions publish two percentiles of
their latencies; this keeps the values, and does nothing while frames are under way.
"""

import json
import os
import sys
from pathlib import Path

from services.common.environ import Environ
from services.common.program import run_service
from services.pipeline import bootstrap
from services.pipeline.config import load_config
from services.pipeline.domain.running import Commands, Outcome
from services.pipeline.mesh.runner import MeshRunner

LATENCIES_VARIABLE = "SPOTON_BENCH_LATENCIES"
"""Folder for one file a session."""


class ObservedRunner(MeshRunner):
    """Writes down the end-to-end latencies of its session, seconds."""

    async def run(self, commands: Commands) -> Outcome:
        """Run the session, then write."""
        outcome = await super().run(commands)
        window = self._books.end_to_end
        latencies_s = window._ring_s[: window._count].tolist()
        path = latencies_path(os.environ, self._lease.session.session_id)
        path.write_text(json.dumps(latencies_s))
        return outcome


def latencies_path(environment: "os._Environ[str]", session_id: str) -> Path:
    """Return where the latencies of a session are."""
    return Path(environment[LATENCIES_VARIABLE]) / f"{session_id}.json"


if __name__ == "__main__":
    bootstrap.MeshRunner = ObservedRunner  # type: ignore[attr-defined]
    sys.exit(
        run_service(
            "pipeline", lambda: load_config(Environ("SPOTON_PIPELINE_")), bootstrap.run
        )
    )
