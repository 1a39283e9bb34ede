"""What can go wrong between the spec and its artefacts."""

from __future__ import annotations

from runtime.errors import TocsinError


class GeneratorError(TocsinError):
    """The spec says something that an artefact cannot express; leaving it out would be silence."""
