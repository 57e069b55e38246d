"""OpenAPI 3.1 from the protos and their comments."""
