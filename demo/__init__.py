"""Track people on real video with everything running on one machine."""
