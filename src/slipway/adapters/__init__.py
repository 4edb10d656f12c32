"""Where Slipway meets other software: one adapter per file, none importing another, no client object leaving them."""
