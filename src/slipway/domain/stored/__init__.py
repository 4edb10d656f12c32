"""Documents that are kept: format numbers, and migrations from every form that was ever written."""
