"""Pure: what Slipway decides. No I/O, no clock, no randomness, no client library."""
