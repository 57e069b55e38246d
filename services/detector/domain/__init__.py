"""The mathematics of detection: numpy at most, no models, no transport."""
