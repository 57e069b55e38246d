"""Make the first administrator, and print the password, which is kept nowhere.

`python -m services.gateway.create_admin [NAME]`; does nothing once there is a user.
"""

import sys

from services.gateway.account_commands import run_command
from services.gateway.accounts.bootstrap import Accounts


async def create_admin(accounts: Accounts, name: str) -> None:
    """Print the password of a new administrator, if there was no user."""
    password = await accounts.use_cases.users.create_first_admin(name)
    if password is None:
        sys.stderr.write("There are users already; nothing was made.\n")
    else:
        print(password)


if __name__ == "__main__":
    admin = sys.argv[1] if len(sys.argv) > 1 else "admin"
    sys.exit(
        run_command("create-admin", lambda accounts: create_admin(accounts, admin))
    )
