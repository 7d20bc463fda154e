"""URLs that must not lead to a connection, by what they try. Their spelling is enough to refuse them: no name is resolved."""

from __future__ import annotations

FULL_WIDTH = "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/"  # 127.0.0.1
CIRCLED = "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/"
IDEOGRAPHIC_DOTS = "https://127\u30020\u30020\u30021/"

_BY_SPELLING = """
    # not https
    cat.jpg  /etc/passwd  //example.com/a.jpg  http://example.com/a.jpg  HTTP://example.com/  file:///etc/passwd
    ftp://example.com/a.jpg  gopher://example.com:70/_x  dict://example.com:11211/stat  javascript:alert(1)
    ws://example.com/  wss://example.com/  unix:///var/run/docker.sock  jar:https://example.com!/  data:,hello
    view-source:https://example.com/  s3://bucket/key  example.com  example.com/a.jpg  example.com:443

    # no host
    https:  https:/  https://  https:///  https:example.com  https:/example.com/  https:///example.com/  https://?a  ://a.com

    # this machine
    https://127.0.0.1/  https://127.0.0.1:443/  https://127.1.2.3/  https://127.0.0.1./  https://0.0.0.0/  https://[::]/
    https://[::1]/  https://[::1]:443/  https://[0:0:0:0:0:0:0:1]/  https://localhost/  https://LOCALHOST/  https://localhost./
    https://app.localhost/  https://localhost.localdomain/

    # numbers that a resolver reads as an address: decimal, octal, hex, short, encoded
    https://0/  https://2130706433/  https://017700000001/  https://0x7f000001/  https://0X7F000001/  https://127.1/
    https://127.0.1/  https://0177.0.0.1/  https://0x7f.0.0.1/  https://0x7f.1/  https://127.0.0.01/  https://00127.0.0.1/
    https://2852039166/  https://0xa9fea9fe/  https://0251.0376.0251.0376/  https://169.254.43518/  https://1.2.3.4.5/
    https://256.256.256.256/  https://4294967296/  https://example.0x1/  https://127%2e0%2e0%2e1/  https://%31%32%37.0.0.1/

    # private networks, metadata services, what is reserved
    https://10.0.0.1/  https://172.16.0.1/  https://172.31.255.255/  https://192.168.1.1/  https://100.64.0.1/
    https://169.254.169.254/latest/meta-data/  https://169.254.170.2/v2/credentials  https://100.100.100.200/
    https://192.0.0.192/  https://198.18.0.1/  https://203.0.113.1/  https://224.0.0.1/  https://255.255.255.255/
    https://[fd00:ec2::254]/latest/  https://[fc00::1]/  https://[fe80::1]/  https://[fe80::1%25eth0]/  https://[ff02::1]/
    https://[2001:db8::1]/  https://[2606:4700:4700::1111%25eth0]/

    # IPv4 within IPv6
    https://[::ffff:127.0.0.1]/  https://[::ffff:7f00:1]/  https://[::ffff:169.254.169.254]/  https://[::127.0.0.1]/
    https://[64:ff9b::7f00:1]/  https://[64:ff9b::169.254.169.254]/  https://[64:ff9b:1::a9fe:a9fe]/
    https://[2002:7f00:1::]/  https://[2002:a9fe:a9fe::]/  https://[2001:0:7f00:1::]/  https://[::1  https://[127.0.0.1]/

    # names that don't exist on the internet
    https://intranet/  https://db/  https://metadata/  https://metadata.google.internal/  https://wpad.localdomain/
    https://ip-10-0-0-1.ec2.internal/  https://printer.local/  https://router.lan/  https://nas.home.arpa/

    # users, and where they confuse
    https://user@example.com/  https://user:secret@example.com/  https://:@example.com/  https://example.com@127.0.0.1/
    https://127.0.0.1#@example.com/  https://127.0.0.1?@example.com/  https://example.com:80@10.0.0.1/  https://@127.0.0.1/

    # ports
    https://example.com:22/  https://example.com:6379/  https://example.com:8080/  https://example.com:0/
    https://example.com:65536/  https://example.com:-1/  https://example.com:443x/  https://example.com:443:443/

    # what parsers disagree on
    https://example.com/a\\b  https://example.com\\@127.0.0.1/  https:\\\\example.com\\  https://127.0.0.1\\.example.com/  https://example..com/
    https://.example.com/  https://ex*mple.com/  https://-%00/  https://ex%61mple.com%2f@x/  https://a;b.com/  https://a,b.com/
"""


def _words(text: str) -> list[str]:
    return [word for line in text.splitlines() if not line.strip().startswith("#") for word in line.split()]


HOSTILE = [
    *_words(_BY_SPELLING),
    *("", " https://example.com/", "\nhttps://example.com/", "https://exa mple.com/", "https:// /", "https://127.0.0.1\t/"),
    *("https://example.com\r\nHost: 127.0.0.1/", "https://example.com/\r\nX: y", "https://example.com/\nx", "https://a.com/\0"),
    *(FULL_WIDTH, CIRCLED, IDEOGRAPHIC_DOTS, "https://ex\u00e4mple..com/", "https://\ud800.com/", "https://example.com/\ud800"),
    *(f"https://{'a' * 64}.com/", f"https://{'a.' * 130}com/", f"https://example.com/{'a' * 8_200}"),
]

# Addresses to which a permitted name may resolve. None of them may get a connection.
HOSTILE_ANSWERS = _words("""
    127.0.0.1  127.0.0.53  0.0.0.0  10.1.2.3  100.64.9.9  169.254.169.254  169.254.170.2  172.20.0.5  192.168.0.10  192.0.0.192
    192.0.2.4  198.18.3.4  198.51.100.3  203.0.113.5  224.0.0.251  240.0.0.1  255.255.255.255  ::  ::1  ::ffff:127.0.0.1
    ::ffff:169.254.169.254  ::10.0.0.1  64:ff9b::7f00:1  64:ff9b::a9fe:a9fe  64:ff9b:1::1  100::1  2001::1  2001:db8::1
    2002:7f00:1::  fd00:ec2::254  fc00::1  fe80::1%2  fec0::1  ff05::2
""")

# Targets to which a public http:// server may not redirect, although http:// is allowed.
HOSTILE_REDIRECTS = _words("""
    http://169.254.169.254/latest/meta-data/  http://127.0.0.1/  //10.0.0.1/  http://[::1]/  http://2130706433/  http://localhost/
    http://[::ffff:a00:1]/  file:///etc/passwd  ftp://example.com/  gopher://example.com/  data:image/png;base64,AAAA
    http://user:secret@example.com/  http://example.com:6379/  http://metadata.internal/  http://example.com\\@10.0.0.1/
    http://[  http://example.com:x/  s3://bucket/key
""")
