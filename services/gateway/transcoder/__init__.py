"""REST from the protos: routes, JSON and streams, with no code per RPC."""
