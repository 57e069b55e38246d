"""Make a new key to sign access tokens: `python -m services.gateway.rotate_keys`.

It signs after a minute, when every service knows it; what the key before signed stays
valid until it expires, and then that key is removed. With `--immediately`, when a key
may be known to others, the new one signs at once, and all tokens are refused at once.
"""

import argparse
import sys

from services.gateway.account_commands import run_command
from services.gateway.accounts.bootstrap import Accounts


async def rotate_keys(accounts: Accounts, *, immediately: bool) -> None:
    """Print the keys after the rotation, newest first."""
    await accounts.use_cases.keys.rotate(immediately=immediately)
    for key in await accounts.use_cases.keys.list():
        ends = f", removed {key.expire_time:%F %T}" if key.expire_time else ""
        print(f"{key.key_id} signs from {key.activate_time:%F %T}{ends}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m services.gateway.rotate_keys")
    parser.add_argument("--immediately", action="store_true")
    at_once = parser.parse_args().immediately
    sys.exit(
        run_command(
            "rotate-keys",
            lambda accounts: rotate_keys(accounts, immediately=at_once),
            needs_keys=not at_once,
        )
    )
