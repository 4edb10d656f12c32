"""The protocols that clients speak, one module each: from bytes to rows, and from outputs to bytes."""
