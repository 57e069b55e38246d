"""Draw the two histograms of a fit, and the evidence between them, as SVG."""

from collections.abc import Callable, Iterable
from xml.sax.saxutils import escape

import numpy as np

from services.reid.domain.score_likelihood import ScoreLikelihood
from spoton.reid.v1 import score_fit_pb2 as pb

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 700, 90, 360
_POINTS = 121
_COLOURS = {"same": "#1b7f5c", "different": "#c2523c"}


def picture_of(fit: pb.ScoreFit) -> str:
    """Return an SVG document of a fit with its histograms."""
    lowest = min((one.low for one in fit.histogram), default=-1.0)
    highest = max((one.high for one in fit.histogram), default=1.0)
    tallest = max((max(one.same, one.different) for one in fit.histogram), default=1.0)

    def x(similarity: float) -> float:
        share = (similarity - lowest) / (highest - lowest)
        return _LEFT + share * (_RIGHT - _LEFT)

    def y(share: float) -> float:
        return _BOTTOM - share / tallest * (_BOTTOM - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        '<g font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_titles(fit),
        *_bars(fit, x, y),
        *_evidence(fit.likelihood, x, lowest, highest),
        *_axis(x, lowest, highest),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def _titles(fit: pb.ScoreFit) -> Iterable[str]:
    title = escape(f"{fit.model_id} in {fit.environment_id}")
    area = fit.separation.area_under_curve
    yield f'<text x="{_LEFT}" y="24" font-size="16">{title}</text>'
    yield (
        f'<text x="{_LEFT}" y="44">area under the curve {area.value:.3f} '
        f"({area.low:.3f} to {area.high:.3f})</text>"
    )
    for index, (name, said) in enumerate(
        (("same", "one person"), ("different", "two people"))
    ):
        left = _LEFT + 120 * index
        yield (
            f'<rect x="{left}" y="54" width="12" height="12" '
            f'fill="{_COLOURS[name]}" opacity="0.6"/>'
        )
        yield f'<text x="{left + 18}" y="64">{said}</text>'
    yield f'<text x="{_LEFT + 240}" y="64">line: evidence, nats, right scale</text>'


def _bars(
    fit: pb.ScoreFit, x: Callable[[float], float], y: Callable[[float], float]
) -> Iterable[str]:
    for one in fit.histogram:
        for name, share in (("same", one.same), ("different", one.different)):
            yield (
                f'<rect x="{x(one.low):.1f}" y="{y(share):.1f}" '
                f'width="{x(one.high) - x(one.low):.1f}" '
                f'height="{_BOTTOM - y(share):.1f}" fill="{_COLOURS[name]}" '
                'opacity="0.6"/>'
            )


def _evidence(
    worth: pb.ScoreLikelihood,
    x: Callable[[float], float],
    lowest: float,
    highest: float,
) -> Iterable[str]:
    """Return the line of the evidence, drawn from -limit to limit."""
    middle, scale = (_TOP + _BOTTOM) / 2, (_BOTTOM - _TOP) / 2
    limit = worth.limit_nats
    likelihood = ScoreLikelihood(worth.even_similarity, worth.slope_nats, limit)
    similarity = np.linspace(lowest, highest, _POINTS)
    height = middle - likelihood.nats(similarity) / (limit or 1.0) * scale
    points = " ".join(
        f"{x(at):.1f},{up:.1f}" for at, up in zip(similarity, height, strict=True)
    )
    yield f'<polyline points="{points}" fill="none" stroke="#333" stroke-width="2"/>'
    for nats in dict.fromkeys((-limit, 0.0, limit)):
        at = middle - (nats / limit * scale if limit else 0.0)
        yield f'<text x="{_RIGHT + 8}" y="{at + 4:.1f}">{nats:+.1f}</text>'


def _axis(x: Callable[[float], float], lowest: float, highest: float) -> Iterable[str]:
    yield (
        f'<line x1="{_LEFT}" y1="{_BOTTOM}" x2="{_RIGHT}" y2="{_BOTTOM}" '
        'stroke="#333"/>'
    )
    for tenth in range(-10, 11):
        similarity = tenth / 10
        if lowest - 1e-9 <= similarity <= highest + 1e-9:
            yield (
                f'<text x="{x(similarity):.1f}" y="{_BOTTOM + 18}" '
                f'text-anchor="middle">{similarity:.1f}</text>'
            )
    yield (
        f'<text x="{(_LEFT + _RIGHT) / 2}" y="{_BOTTOM + 40}" '
        'text-anchor="middle">cosine similarity</text>'
    )
