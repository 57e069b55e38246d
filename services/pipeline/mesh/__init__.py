"""Carry frames through the other services.

What one service answers is handed to the next as it came, message for message: that is
why this package, alone in the pipeline beside `adapters`, speaks protobuf.
"""
