"""How much of the mapper one environment may use."""

from dataclasses import dataclass

from services.common.errors import Overloaded
from services.mapper.service.ports import Transaction


@dataclass(frozen=True, slots=True)
class Quotas:
    """What every environment may have.

    Attributes:
        cameras: Most cameras. Range: >= 1.
    """

    cameras: int = 100


USUAL_QUOTAS = Quotas()


async def require_within(
    quotas: Quotas, transaction: Transaction, environment_id: str
) -> None:
    """Return if the environment, whose row is locked, is within its quotas.

    Raises:
        Overloaded: It has more, which rolls the transaction back.
    """
    if await transaction.cameras.count((environment_id,)) > quotas.cameras:
        raise Overloaded(
            f"an environment may have {quotas.cameras} cameras; delete one, or ask an "
            "operator of the system for more"
        )
