"""What happens now, for any number of viewers: tracking updates and pictures."""
