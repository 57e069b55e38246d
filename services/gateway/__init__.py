"""One door to SpotOn: accounts, REST, live streams and pictures."""
