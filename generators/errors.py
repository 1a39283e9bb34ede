"""What can go wrong between the spec and its artefacts."""

from __future__ import annotations


class GeneratorError(Exception):
    """The spec says something that an artefact cannot express; leaving it out would be silence."""
