"""Addresses and networks, as people, proxies and databases write them."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED_BITS = 96  # of an IPv6 network that holds IPv4 addresses: ::ffff:0:0/96
_OWN_BITS = 64  # of an IPv6 address that belong to one customer's line
_THIS_MACHINE = [
    ipaddress.ip_network(text) for text in ("127.0.0.0/8", "0.0.0.0/32", "::1/128", "::/128")
]


def address_of(text: str) -> Address:
    """Parse an address as proxies write it: with a port, in brackets, mapped into IPv6.

    :raises ValueError: when it is none.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].split("]")[0]
    elif text.count(":") == 1:
        text = text.split(":")[0]
    address = ipaddress.ip_address(text.split("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def network_of(text: str) -> Network:
    """Parse an address or a network ("192.0.2.0/24"); one that is mapped into IPv6 becomes IPv4.

    :raises ValueError: when it is neither.
    """
    if "/" not in text:
        return ipaddress.ip_network(address_of(text))
    network = ipaddress.ip_network(text.strip(), strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def networks_in(text: str) -> list[Network]:
    """Parse one network a line. :raises ValueError: for a line that is none, with that line."""
    networks = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            networks.append(network_of(line))
        except ValueError:
            raise ValueError(line.strip()) from None
    return networks


def line_of(address: str) -> Network:
    """Return what counts as one client: an IPv4 address, or an IPv6 network of 64 bits."""
    parsed = address_of(address)
    if parsed.version == 4:
        return ipaddress.ip_network(parsed)
    return ipaddress.ip_network((parsed, _OWN_BITS), strict=False)


def written(network: Network) -> str:
    """Return a network as people write it: a single address without its length."""
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def overlaps(network: Network, other: Network) -> bool:
    """Tell whether two networks, of any version, share an address."""
    return network.version == other.version and network.overlaps(other)


def holds_this_machine(network: Network) -> bool:
    """Tell whether requests from this machine itself, or from a Unix socket, come from there."""
    return any(overlaps(network, own) for own in _THIS_MACHINE)
