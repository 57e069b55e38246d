"""What every service needs; knows no service."""
