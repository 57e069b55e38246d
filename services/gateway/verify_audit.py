"""Verify the hashes of the audit log: `python -m services.gateway.verify_audit`."""

import sys

from services.common.errors import SpotOnError
from services.gateway.account_commands import run_command
from services.gateway.accounts.bootstrap import Accounts


async def verify_audit(accounts: Accounts) -> None:
    """Print that every entry is as it was written.

    Raises:
        SpotOnError: One is not.
    """
    broken = await accounts.use_cases.auditing.first_broken()
    if broken is not None:
        raise SpotOnError(f"entry {broken} was changed, or one before it is missing")
    print("Every entry of the audit log is as it was written.")


if __name__ == "__main__":
    sys.exit(run_command("verify-audit", verify_audit))
