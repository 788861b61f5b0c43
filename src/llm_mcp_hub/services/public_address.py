"""Which addresses are on the public internet, not on this machine or around it; pure.

Guarantee: an address that leads, by itself or by what it has inside, to a loopback, private,
link-local, shared, multicast or reserved one, or to a cloud's metadata, is not public.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""NAT64 (RFC 6052, RFC 8215): the last four bytes are an IPv4 address."""
_CLOUD_S_OWN = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))
"""Addresses that look public and are metadata services (Azure's, Oracle's)."""


def is_public(text: str) -> bool:
    """Whether a literal address is public. A scope after `%` is none."""
    try:
        return _is_public(ip_address(text))
    except ValueError:
        return False


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        inside = address.ipv4_mapped or address.sixtofour
        if inside is None and any(address in network for network in _TRANSLATED):
            inside = IPv4Address(address.packed[-4:])
        if inside is not None:
            return _is_public(inside)
        if address.teredo is not None or address.is_site_local:
            return False
        if address.packed[:12] == bytes(12):  # the obsolete form of an IPv4 address
            return False
    elif any(address in network for network in _CLOUD_S_OWN):
        return False
    return address.is_global and not address.is_multicast
