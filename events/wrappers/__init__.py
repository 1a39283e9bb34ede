"""What log shippers put around a record, and how the record is found in it: nothing about gateways."""

from events.wrappers.registry import JSON_WRAPPERS, TEXT_WRAPPERS
from events.wrappers.unwrap import Unwrapped, continues, has_prefix, looks_wrapped, unwrap

__all__ = ["JSON_WRAPPERS", "TEXT_WRAPPERS", "Unwrapped", "continues", "has_prefix", "looks_wrapped", "unwrap"]
