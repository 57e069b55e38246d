"""Give a user a new password, and print it.

`python -m services.gateway.reset_password NAME`, for whoever has the gateway's
secrets, when no administrator can log in.
"""

import sys

from services.gateway.account_commands import run_command
from services.gateway.accounts.bootstrap import Accounts


async def reset_password(accounts: Accounts, name: str) -> None:
    """Print the new password of a user, whose login sessions end."""
    print(await accounts.use_cases.users.reset_password_of(name))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m services.gateway.reset_password NAME")
    sys.exit(
        run_command(
            "reset-password", lambda accounts: reset_password(accounts, sys.argv[1])
        )
    )
