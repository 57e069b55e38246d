"""Learn what scores are worth at a site: `python -m services.reid.fit`.

Asks a running service, which has kept scores while sessions ran; says how well they
tell people apart, and draws both histograms.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from grpc import aio

from services.common.grpc_client import open_channel
from services.common.grpc_errors import error_from_rpc
from services.reid.config import DEFAULT_PORT
from services.reid.fit_picture import picture_of
from spoton.reid.v1 import score_fit_pb2 as pb
from spoton.reid.v1 import score_fit_pb2_grpc


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m services.reid.fit",
        description="Learn what scores are worth at a site.",
    )
    parser.add_argument("--environment", required=True, help="the site")
    parser.add_argument("--model", default="", help="a running embedder")
    parser.add_argument(
        "--picture", type=Path, help="SVG file to draw the histograms into"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would be stored"
    )
    parser.add_argument(
        "--address", default=f"127.0.0.1:{DEFAULT_PORT}", help="of the service"
    )
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> int:
    """Fit, tell and draw; return the exit status."""
    request = pb.FitScoresRequest(
        environment_id=options.environment,
        model_id=options.model,
        dry_run=options.dry_run,
    )
    async with open_channel(options.address) as channel:
        stub = score_fit_pb2_grpc.ScoreFitServiceStub(channel)
        try:
            fit = (await stub.FitScores(request)).fit
        except aio.AioRpcError as error:
            sys.stderr.write(f"{error_from_rpc(error)}\n")
            return 1
    sys.stdout.write(told(fit))
    if options.picture is not None:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        options.picture.write_text(picture_of(fit), encoding="utf-8")
        sys.stdout.write(f"histograms: {options.picture}\n")
    return 0


def told(fit: pb.ScoreFit) -> str:
    """Return what a fit says, line by line."""
    found, worth = fit.separation, fit.likelihood
    fitted, default = found.fitted_cost_bits, found.default_cost_bits
    costs = f"{fitted:.3f} fitted, {default:.3f} by default"
    least = f"{found.least_cost_bits:.3f} at least"
    above = f"atanh(similarity) - atanh({worth.even_similarity:.3f})"
    line = f"{worth.slope_nats:.1f} ({above}), at most {worth.limit_nats:.1f}"
    lines = [
        f"{fit.model_id} in {fit.environment_id}",
        *(
            f"  {_name(one.kind)}: {one.scores}, {one.pairs} pairs"
            for one in fit.counts
        ),
        f"area under the curve  {_interval(found.area_under_curve)}",
        f"equal error rate      {_interval(found.equal_error_rate)}",
        f"overlap               {_interval(found.overlap)}",
        f"cost, bits            {costs}, {least}",
        f"evidence, nats        {line}",
        fit.verdict,
        "stored" if fit.HasField("fit_time") else "not stored",
    ]
    return "\n".join(lines) + "\n"


def _name(kind: "pb.PairKind.ValueType") -> str:
    name = pb.PairKind.Name(kind).removeprefix("PAIR_KIND_")
    return name.lower().replace("_", " ")


def _interval(one: pb.Estimate) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


if __name__ == "__main__":
    sys.exit(asyncio.run(run(parse())))
