"""Packages as Bentos: built, started and tested. No other part of Slipway depends on BentoML."""
