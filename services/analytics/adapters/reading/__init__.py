"""What the figures read, table by table."""
