"""Scores of known pairs, and fits, in PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from services.common.ids import EnvironmentId, ModelId
from services.common.postgres import Pool, translated_errors
from services.reid.domain.score_fit import Estimate, Fit, Separation
from services.reid.domain.score_likelihood import ScoreLikelihood
from services.reid.domain.score_pairs import PairKind, ScoredPair
from services.reid.service.score_fitting import StoredFit
from services.reid.service.score_sampling import Drawn, Stratum

_ADD = """
    INSERT INTO score_samples VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""

_LEAST = """
    SELECT priority FROM score_samples
    WHERE environment_id = %s AND model_id = %s AND kind = %s
    ORDER BY priority DESC OFFSET %s - 1 LIMIT 1
"""

_TRIM = """
    DELETE FROM score_samples
    WHERE environment_id = %s AND model_id = %s AND kind = %s AND priority < %s
"""

_PAIRS = """
    SELECT kind, score, left_track, right_track, captured_ns FROM score_samples
    WHERE environment_id = %s AND model_id = %s
    ORDER BY priority
"""

_STORE = """
    INSERT INTO score_fits VALUES (%s, %s, %s, now())
    ON CONFLICT (environment_id, model_id) DO UPDATE
    SET fit = excluded.fit, fit_time = excluded.fit_time
    RETURNING (extract(epoch FROM fit_time) * 1e6)::bigint
"""

_STORED = """
    SELECT fit, (extract(epoch FROM fit_time) * 1e6)::bigint FROM score_fits
    WHERE environment_id = %s AND model_id = %s
"""

_DELETE = "DELETE FROM score_fits WHERE environment_id = %s AND model_id = %s"


class PostgresScoreTable:
    """Keeps scores and fits."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, drawn: Sequence[Drawn], most: int) -> Mapping[Stratum, float]:
        """Add scores, and drop those beyond the `most` of the greatest priority.

        Raises:
            Unavailable: The database is away.
        """
        floors: dict[Stratum, float] = {}
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = connection.cursor()
                await cursor.executemany(_ADD, [_row(one) for one in drawn])
                for stratum in dict.fromkeys(one.stratum for one in drawn):
                    await cursor.execute(_LEAST, (*stratum, most))
                    if (found := await cursor.fetchone()) is not None:
                        floors[stratum] = found[0]
                        await cursor.execute(_TRIM, (*stratum, found[0]))
        return floors

    async def pairs(
        self, environment_id: EnvironmentId, model_id: ModelId
    ) -> Sequence[ScoredPair]:
        """Return the scores that are kept.

        Raises:
            Unavailable: The database is away.
        """
        rows = await self._fetch(_PAIRS, (environment_id, model_id))
        return [ScoredPair(PairKind(kind), *rest) for kind, *rest in rows]

    async def store_fit(
        self, environment_id: EnvironmentId, model_id: ModelId, fit: Fit
    ) -> StoredFit:
        """Make a fit the one in force.

        Raises:
            Unavailable: The database is away.
        """
        document = json.dumps(asdict(fit))
        rows = await self._fetch(_STORE, (environment_id, model_id, document))
        return StoredFit(fit, rows[0][0] * 1000)

    async def stored_fit(
        self, environment_id: EnvironmentId, model_id: ModelId
    ) -> StoredFit | None:
        """Return the fit in force; None for the defaults.

        Raises:
            Unavailable: The database is away.
        """
        rows = await self._fetch(_STORED, (environment_id, model_id))
        if not rows:
            return None
        document, fitted_us = rows[0]
        return StoredFit(_fit_from_json(document), fitted_us * 1000)

    async def delete_fit(
        self, environment_id: EnvironmentId, model_id: ModelId
    ) -> None:
        """Forget a fit, if there is one.

        Raises:
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.execute(_DELETE, (environment_id, model_id))

    async def _fetch(self, query: str, parameters: Any) -> list[tuple[Any, ...]]:
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query.encode(), parameters)
                return await cursor.fetchall()


def _row(one: Drawn) -> tuple[Any, ...]:
    pair = one.pair
    return (
        *one.stratum,
        pair.score,
        pair.left,
        pair.right,
        pair.captured_ns,
        one.priority,
    )


def _fit_from_json(document: dict[str, Any]) -> Fit:
    """Return the fit that `asdict` took apart."""
    separation: dict[str, Any] = {
        name: Estimate(**value) if isinstance(value, dict) else value
        for name, value in document["separation"].items()
    }
    return Fit(
        likelihood=ScoreLikelihood(**document["likelihood"]),
        # In the order of the kinds, which jsonb does not keep.
        counts={
            kind: (scores, pairs)
            for kind in PairKind
            for scores, pairs in [document["counts"][kind]]
        },
        same=tuple(document["same"]),
        different=tuple(document["different"]),
        separation=Separation(**separation),
        verdict=document["verdict"],
    )
