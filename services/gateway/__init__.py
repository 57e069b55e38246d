"""The one door: REST, WebSocket and accounts in front of the mesh."""
