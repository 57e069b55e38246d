"""TCP ports: which are free, and who holds those that are not."""

import random
import socket

# Below the range that the kernel gives to outgoing connections.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports that nobody listens on now, picked at random.

    Another process may take one before you do; whoever starts a server on them
    tries again with others.
    """
    candidates = random.SystemRandom().sample(range(_FIRST_PORT, _LAST_PORT), 1000)
    return tuple([port for port in candidates if is_free(port)][:count])
