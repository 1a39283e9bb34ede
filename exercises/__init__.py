"""Exercises: known traffic through the whole chain, with real servers, to prove that alerts fire and pages arrive."""
