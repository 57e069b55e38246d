"""Real stores and all services on one machine, started by one command."""
