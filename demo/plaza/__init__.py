"""The demo's environment: one recording, seen by three virtual cameras."""
