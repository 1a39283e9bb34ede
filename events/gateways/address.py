"""Client addresses, reduced to the range that one client can change within."""

from __future__ import annotations

import ipaddress
import socket

from events.gateways.bounded_cache import BoundedCache

IPV4_PREFIX = 24
IPV6_PREFIX = 48
_LONGEST = 128  # characters; more than any address, port, zone and a few proxies need


def address_of(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in `text`, or None.

    Understands a port (``192.0.2.1:80``, ``[2001:db8::1]:80``), a zone (``fe80::1%eth0``) and an IPv4 address mapped
    into IPv6. Of a list of forwarding proxies the last entry counts: it alone was not written by the client.
    """
    if not text or len(text) > _LONGEST:
        return None
    text = text.rpartition(",")[2].strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def range_of(text: str | None) -> str | None:
    """The /24 (IPv4) or /48 (IPv6) of the address in `text`, as ``192.0.2.0/24``; None if there is none."""
    if text:
        try:
            first, second, third, _last = socket.inet_pton(socket.AF_INET, text)
        except (OSError, ValueError):
            pass
        else:
            return f"{first}.{second}.{third}.0/24"
    address = address_of(text)
    if address is None:
        return None
    prefix = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
    return str(ipaddress.ip_network((address, prefix), strict=False))


class Ranges(BoundedCache[str | None, str | None]):
    """`range_of` with a memory."""

    def __init__(self) -> None:
        super().__init__(range_of)
