"""Tracking sessions: open cameras, carry frames through the mesh, publish."""
