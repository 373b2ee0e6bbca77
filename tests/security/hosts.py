"""Hosts that mean no good. None of them is ever connected to, whoever names it and wherever."""

from typing import Final

ADDRESSES: Final = (
    # This network, this machine, private networks, carriers' networks, link-local ones.
    *("0.0.0.0", "0.1.2.3", "127.0.0.2", "127.0.0.53", "127.255.255.254"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),
    *("100.64.0.1", "100.127.255.254", "169.254.0.1"),
    # Where clouds keep their machines' credentials.
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    # Protocols, documentation, relays, benchmarks, multicast, the future, broadcast.
    *("192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.31.196.1", "192.52.193.1"),
    *("192.88.99.1", "192.175.48.1", "198.18.0.1", "198.19.255.254"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    # The same in IPv6, and IPv4 in IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo.
    *("[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::ffff:0:127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::]"),
    *("[2001::1]", "[2001:0:7f00:1::]", "[2001:0:0:0:0:0:80ff:fffe]"),
    *("[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[100::1]"),
    *("[2001:2::1]", "[2001:10::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]", "[4000::1]"),
    "[2620:4f:8000::1]",
)

SPELLINGS: Final = (
    # Decimal, octal, hexadecimal, short, and mixed.
    *("2130706433", "017700000001", "0177.0.0.1", "0x7f000001", "0X7F000001", "0x7f.0.0.1", "0x7f.1"),
    *("127.1", "127.0.1", "127.0.0.01", "127.0.0.0x1", "127.0.0.0", "0", "0x0", "00.0.0.0", "2852039166"),
    # Dots, digits and letters that somebody might take for ours.
    *("127.0.0.1.", "localhost.", "LOCALHOST.", "127。0。0。1", "１２７.0.0.1", "①②⑦.⓪.⓪.①", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ"),
    *("loc\u00adalhost", "127.0.0.1%2e", "%6c%6f%63%61%6c%68%6f%73%74", "localhost%00.example.com"),
    *("xn--lcalhost-i0a", "xn--lcalhost-i0a.localhost"),
    # Zones, long and unusual forms.
    *("[::1%25lo]", "[fe80::1%25eth0]", "[0:0:0:0:0:ffff:7f00:1]", "[::ffff:7f00:1]", "[::FFFF:127.0.0.1]"),
    *("[0000::0001%lo]", "[v1.127.0.0.1]", "[127.0.0.1]"),
    # A public name in front, and another host behind.
    *("hook.example.com@127.0.0.1", "hook.example.com:443@127.0.0.1", "user:pass@localhost"),
    *("hook.example.com\\@127.0.0.1", "127.0.0.1\\.example.com", "127.0.0.2#@hook.example.com", "@127.0.0.1"),
    # Names that mean a machine of the house.
    *("localhost.localhost", "hook.localhost", "metadata", "metadata.google.internal", "printer.local"),
    *("router.home.arpa", "hidden.onion", "instance-data.ec2.internal"),
)

THIS_MACHINE: Final = ("127.0.0.1", "[::1]", "localhost", "LOCALHOST", "[0:0:0:0:0:0:0:1]")
"""In development they are allowed; in production they are hostile like the others."""

PORTS: Final = (0, 7, 22, 25, 53, 110, 389, 445, 587, 65536, 99999)
"""Of a public host: none, or those of services that are no webhook endpoints."""
