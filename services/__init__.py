"""The services of SpotOn, one package each, and what they share in `common`."""
