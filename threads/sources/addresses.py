"""Which addresses a source may call: what people enter, what a name means, ids in paths."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit

from threads.sources.base import Gone, Unavailable

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds hand their machines' credentials to whoever asks from within; nothing else that
# ThreadHub could want lives there, so these stay closed even where private hosts are welcome.
_METADATA = [
    ipaddress.ip_network(network)
    for network in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32")
]
_NEVER = re.compile(r"[\s\\\x00-\x1f\x7f]")  # in an address; readers of URLs differ about these
_ID = re.compile(r"[A-Za-z0-9_.:@=+~,-]{1,200}\Z")  # of a thread or file, in a path
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _meant(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 one stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def refuse_address(text: str, *, allow_private_hosts: bool) -> None:
    """Do nothing when the IP address may be called.

    :raises Unavailable: when it may not, with the reason.
    """
    address = _meant(ipaddress.ip_address(text.split("%", maxsplit=1)[0]))
    if any(address in network for network in _METADATA if network.version == address.version):
        raise Unavailable(f"{address} is a link-local or cloud metadata address: never called.")
    if address.is_multicast:
        raise Unavailable(f"{address} is a multicast address: no server answers there.")
    if not allow_private_hosts and not address.is_global:
        raise Unavailable(
            f"{address} lies in a private network, which THREADHUB_ALLOW_PRIVATE_HOSTS forbids."
        )


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    return True


def checked_base_url(url: str, *, allow_private_hosts: bool) -> str:
    """Return `url` without a trailing slash.

    Names are not looked up here: what they mean is checked again at each connection.

    :raises Unavailable: when it is no http(s) address of a server, or one not to be called.
    """
    if _NEVER.search(url.strip()):
        raise Unavailable("The address holds characters that no address has. Copy it again.")
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Unavailable("The address is not a valid URL.") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise Unavailable("The address must begin with https:// or http:// and name a server.")
    if parts.username or parts.password:
        raise Unavailable("The address must not hold a user name or password; enter the key apart.")
    if parts.query or parts.fragment:
        raise Unavailable("The address must end with its path, without ? or #.")
    if ":" in host or "[" in parts.netloc or _is_ip(host):
        if not _is_ip(host):
            raise Unavailable("The address holds an IP address that is none.")
        refuse_address(host, allow_private_hosts=allow_private_hosts)
        return url.strip().rstrip("/")
    try:
        host.encode("idna")  # an empty or too long label would fail in the middle of a call
    except UnicodeError:
        raise Unavailable("The address holds a name that no server can have.") from None
    return url.strip().rstrip("/")


def segment(remote_id: str) -> str:
    """Return an id as it stands in a path. :raises Gone: when no store can have such an id."""
    if not _ID.match(remote_id) or not remote_id.strip("."):
        raise Gone("No store has threads with such an id: it holds other characters than ids do.")
    return quote(remote_id, safe="")
