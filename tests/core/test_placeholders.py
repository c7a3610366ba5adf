"""Left a template and values, right what goes on the wire."""

from __future__ import annotations

import json

import pytest

from dispatcher.core.placeholders import MAX_URL, expand, expand_url, percent, template_error, wire_url

VALUES = {
    "messageId": "123",
    "referenceId": "a b&c=d",
    "phone": "+13012223333",
    "status": "1",
    "completionDate": "1763775600000",
    "empty": "",
    "sly": "{status}<status>%status%",
}
EXPANDED = [
    ("http://h/?id={messageId}", "http://h/?id=123"),
    ("http://h/?id=<messageId>", "http://h/?id=123"),
    ("http://h/?id=%messageId%", "http://h/?id=123"),
    ("http://h/?p={phone}", "http://h/?p=%2B13012223333"),
    ("http://h/?r={referenceId}", "http://h/?r=a%20b%26c%3Dd"),
    ("http://h/{messageId}/{status}?e={empty}&x=1", "http://h/123/1?e=&x=1"),
    ("{sly}", "%7Bstatus%7D%3Cstatus%3E%25status%25"),  # one pass: a value is never read again
    ("<sly>%sly%", "%7Bstatus%7D%3Cstatus%3E%25status%25" * 2),
    ("{unknown}<unknown>%unknown%", "{unknown}<unknown>%unknown%"),
    ("{Status}{STATUS}{ status }{}", "{Status}{STATUS}{ status }{}"),  # names are case-sensitive
    ("{status>%status}<status%", "{status>%status}<status%"),
    ("{{status}}", "{1}"),
    ("%status%status%", "1status%"),
    ("%status%%status%", "11"),
    # beside percent-escapes
    ("%20status%20", "%20status%20"),
    ("%25status%25", "%25status%25"),
    ("%E2%82%AC%status%%C3%A9", "%E2%82%AC1%C3%A9"),
    ("a%20%status%20", "a%20120"),  # the status, then "20"
    ("%7Bstatus%7D", "%7Bstatus%7D"),
    ("", ""),
]


@pytest.mark.parametrize(("template", "expected"), EXPANDED)
def test_expand_url(template: str, expected: str) -> None:
    assert expand_url(template, VALUES) == expected


def test_a_name_that_begins_another_is_told_apart() -> None:
    values = {"id": "1", "ident": "2", "i.*d": "3"}
    assert expand("{id}{ident}<i.*d>{ixxd}", values) == "123{ixxd}"


def test_no_names() -> None:
    assert expand_url("{status}%%<>", {}) == "{status}%%<>"


def test_escape_fits_the_value_to_its_place() -> None:
    values = {"invitee": '5"\\', "network_id": "a<b"}
    body = expand(
        '{"invitee": "%invitee%", "network_id": "%network_id%"}', values, lambda value: json.dumps(value)[1:-1]
    )
    assert json.loads(body) == values


def test_only_the_spellings_that_count() -> None:
    assert expand("{a}<a>%a%", {"a": "1"}, spellings="%") == "{a}<a>1"
    assert expand("{a}<a>%a%", {"a": "1"}, spellings="{<") == "11%a%"


def test_percent_leaves_only_what_needs_no_escape() -> None:
    assert percent("aZ09-._~") == "aZ09-._~"
    assert percent("+ /?#&=%é\n") == "%2B%20%2F%3F%23%26%3D%25%C3%A9%0A"
    assert percent("half \ud83d") == "half%20%3F"  # what cannot be written in UTF-8


WIRE = [
    ("https://example.com/cb?x=1", "https://example.com/cb?x=1"),
    ("HTTPS://Example.COM:8443", "https://example.com:8443/"),
    ("http://example.com?x=1", "http://example.com/?x=1"),
    ("http://example.com:/", "http://example.com/"),
    ("http://example.com./", "http://example.com./"),
    ("http://under_score.example/", "http://under_score.example/"),
    ("http://h/a b?c=d e", "http://h/a%20b?c=d%20e"),
    ("http://h/?x={unknown}&y=<z>&w=%name%", "http://h/?x=%7Bunknown%7D&y=%3Cz%3E&w=%25name%25"),
    ("http://h/%41%zz%2", "http://h/%41%25zz%252"),
    ("http://h/é?ü=%C3%BC", "http://h/%C3%A9?%C3%BC=%C3%BC"),
    ("http://h/\\..\n[a]|^`\"'", "http://h/%5C..%0A%5Ba%5D%7C%5E%60%22'"),
    ("http://h/!$&'()*+,;=:@-._~/?!$&'()*+,;=:@/?", "http://h/!$&'()*+,;=:@-._~/?!$&'()*+,;=:@/?"),
    ("http://h/a#b?c", "http://h/a"),
    ("http://h#a", "http://h/"),
    ("http://h/\ud83d", "http://h/%3F"),
    ("http://user:p%40ss@h/", "http://user:p%40ss@h/"),
    ("http://@h/", "http://h/"),
    ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
    ("http://[::1]:80/", "http://[::1]:80/"),
    ("http://[2001:DB8:0::1]/", "http://[2001:db8::1]/"),
    ("http://bücher.example/", "http://xn--bcher-kva.example/"),
    ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
    ("http://日本。jp/", "http://xn--wgv71a.jp/"),
]


@pytest.mark.parametrize(("url", "expected"), WIRE)
def test_wire_url(url: str, expected: str) -> None:
    assert wire_url(url) == expected
    assert wire_url(expected) == expected


SCHEME, HOST, WHERE, PORT, IPV6 = "begin with http", "no host that can", "name a host after", "port", "IPv6"
NO_URLS = [
    ("", SCHEME),
    ("example.com/cb", SCHEME),
    ("ftp://example.com/", SCHEME),
    ("file:///etc/passwd", SCHEME),
    ("javascript:alert(1)", SCHEME),
    ("http:/example.com", SCHEME),
    (" http://example.com", SCHEME),
    ("{status}://example.com/", SCHEME),
    ("http://", HOST),
    ("http:///path", HOST),
    ("http://:80/", HOST),
    ("http://a..b/", HOST),
    ("http://.a/", HOST),
    ("http://-a.example/", HOST),
    ("http://a-.example/", HOST),
    ("http://a b/", HOST),
    ("http://{host}/", HOST),
    ("http://%65xample.com/", HOST),
    ("http://straße.example/", HOST),  # IDNA 2003 and 2008 call different hosts
    ("http://a\u200db.example/", HOST),
    ("http://\ud83d.example/", HOST),
    ("http://" + "ü" * 70 + ".example/", HOST),
    ("http://" + "a" * 64 + ".example/", HOST),
    ("http://" + "a." * 127 + "example/", HOST),
    ("http://example.com\\@evil.example/", WHERE),
    ("http://a@b@c/", WHERE),
    ("http://a:b:c/", WHERE),
    ("http://h:80a/", WHERE),
    ("http://h:٨٠/", WHERE),
    ("http://h:123456/", WHERE),
    ("http://[::1/", WHERE),
    ("http://[::1]80/", WHERE),
    ("http://h:0/", PORT),
    ("http://h:65536/", PORT),
    ("http://[::g]/", IPV6),
    ("http://[]/", IPV6),
    ("http://[fe80::1%eth0]/", IPV6),
    ("http://[1.2.3.4]/", IPV6),
]


@pytest.mark.parametrize(("url", "because"), NO_URLS)
def test_no_url(url: str, because: str) -> None:
    with pytest.raises(ValueError, match=because):
        wire_url(url)
    assert because in str(template_error(url, VALUES)) or url != url.strip()


GOOD = [
    "https://example.com/cb?id={messageId}&p=<phone>&s=%status%",
    "http://example.com/{messageId}",
    "http://example.com?{messageId}",
    "http://example.com/cb?x={unknown}",
    "http://127.0.0.1:8000/cb?x=%20%status%#part",
]


@pytest.mark.parametrize("template", GOOD)
def test_template(template: str) -> None:
    assert template_error(template, list(VALUES)) is None
    assert wire_url(expand_url(template, VALUES)).isascii()


WRONG = [
    ("http://{phone}/", "path and the query only"),
    ("http://%phone%.example.com/", "path and the query only"),
    ("http://example.com:{status}/", "path and the query only"),
    ("http://<status>@example.com/", "path and the query only"),
    ("http://example.com{status}", "path and the query only"),
    ("http://example.com/#{status}", "path and the query only"),
    ("{status}://example.com/", "begin with http"),
    ("http://example.com/\n", "control character"),
    ("http://example.com/\x00", "control character"),
    ("http://example.com/ ", "space at its end"),
    ("http://example.com/" + "a" * MAX_URL, "longer than 2048"),
]


@pytest.mark.parametrize(("template", "because"), WRONG)
def test_template_error(template: str, because: str) -> None:
    assert because in str(template_error(template, VALUES))
