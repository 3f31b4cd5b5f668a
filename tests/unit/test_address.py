"""What somebody else's URL may make us call: nothing but listed names at addresses of the internet."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadtrail.domain.address import LONGEST, REFUSALS, FetchRefusedError, Target, is_public, target

HOSTS = ("rec.example.com", ".cdn.example.net")


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://rec.example.com/a/b.wav?sign=1%2F2&t=3", "rec.example.com", "/a/b.wav?sign=1%2F2&t=3"),
        ("HTTPS://REC.Example.COM:443", "rec.example.com", "/"),
        ("https://rec.example.com?id=7", "rec.example.com", "/?id=7"),
        ("https://rec.example.com/a#part", "rec.example.com", "/a"),
        ("https://rec.example.com/录音 1.wav", "rec.example.com", "/%E5%BD%95%E9%9F%B3%201.wav"),
        ("https://rec.example.com/a\\b@c:d", "rec.example.com", "/a%5Cb@c:d"),
        ("https://bj.s3.cdn.example.net/x", "bj.s3.cdn.example.net", "/x"),
    ],
)
def test_a_listed_name_may_be_called(url: str, host: str, path: str) -> None:
    found = target(url, hosts=HOSTS)

    assert found == Target(host, 443, path)
    assert target(found.url, hosts=HOSTS) == found


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "url-malformed"),
        ("rec.example.com/a", "url-malformed"),
        ("//rec.example.com/a", "url-malformed"),
        ("http://rec.example.com/a", "not-https"),
        ("file:///etc/passwd", "not-https"),
        ("gopher://rec.example.com/_x", "not-https"),
        (" https://rec.example.com/a", "not-https"),
        ("https://rec.example.com/a\r\nHost: x", "url-malformed"),
        ("https://rec.example.com\t/a", "url-malformed"),
        ("https://rec.example.com/\x00", "url-malformed"),
        ("https://rec.example.com/\ud800", "url-malformed"),
        ("https://rec.example.com/" + "a" * LONGEST, "url-malformed"),
        ("https://rec.example.com@127.0.0.1/", "user-info"),
        ("https://user:password@rec.example.com/", "user-info"),
        ("https://127.0.0.1\\@rec.example.com/", "user-info"),
        ("https://rec.example.com:22/", "port-not-allowed"),
        ("https://rec.example.com:0443/", "port-not-allowed"),
        ("https://rec.example.com:443:22/", "port-not-allowed"),
        ("https://rec.example.com:４４３/", "port-not-allowed"),
        ("https:///rec.example.com/", "host-not-allowed"),
        ("https://rec.example.com./", "host-not-allowed"),
        ("https://rec。example。com/", "host-not-allowed"),
        ("https://ⓡec.example.com/", "host-not-allowed"),
        ("https://rec.example.com\\.example.org/", "host-not-allowed"),
        ("https://rec.example.com%2eexample.org/", "host-not-allowed"),
        ("https://xrec.example.com/", "host-not-allowed"),
        ("https://rec.example.com.example.org/", "host-not-allowed"),
        ("https://cdn.example.net/", "host-not-allowed"),
        ("https://.cdn.example.net/", "host-not-allowed"),
        ("https://a..cdn.example.net/", "host-not-allowed"),
        ("https://xcdn.example.net/", "host-not-allowed"),
    ],
)
def test_any_other_url_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(FetchRefusedError) as refused:
        target(url, hosts=HOSTS)

    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "0", "localhost",
        "localhost.", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25lo]", "１２７.０.０.１", "127。0。0。1",
        "8.8.8.8", "[2606:4700::1111]", "a.0x7f", "rec.example.com.", "\u212a.example.com", "",
    ],
)  # fmt: skip
def test_an_address_is_never_called_by_number_even_where_somebody_listed_it(host: str) -> None:
    with pytest.raises(FetchRefusedError) as refused:
        target(f"https://{host}/", hosts=(host, host.lower(), "."))

    assert refused.value.reason in ("host-not-allowed", "port-not-allowed")


def test_without_a_list_nothing_may_be_called() -> None:
    with pytest.raises(FetchRefusedError, match="host-not-allowed"):
        target("https://rec.example.com/", hosts=())


def test_the_port_that_may_be_called_is_the_callers_to_say() -> None:
    found = target("https://rec.example.com:8443/a", hosts=HOSTS, port=8443)

    assert found == Target("rec.example.com", 8443, "/a")
    with pytest.raises(FetchRefusedError, match="port-not-allowed"):
        target("https://rec.example.com/a", hosts=HOSTS, port=8443)


@given(st.text(max_size=60))
def test_no_text_leads_anywhere_but_to_a_listed_name(text: str) -> None:
    for url in (text, f"https://{text}", f"https://rec.example.com{text}", f"https://{text}rec.example.com"):
        try:
            found = target(url, hosts=HOSTS)
        except FetchRefusedError:
            continue
        assert found.host == "rec.example.com" or found.host.endswith(".cdn.example.net")
        assert re.fullmatch(r"/[!-~]*", found.path)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "101.226.4.6", "2606:4700::1111", "2400:3200::1"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.10", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.7",
        "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2001::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:20::1", "2001:db8::1", "3fff::1", "fc00::1",
        "fd00:ec2::254", "fe80::1", "fe80::1%lo", "2606:4700::1111%lo", "fec0::1", "ff02::1", "5f00::1", "100::1",
        "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "8.8.8.8.", " 8.8.8.8", "8.8.8.8/32", "localhost", "",
    ],
)  # fmt: skip
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_wrapped_into_another_is_refused_whatever_it_is(inner: object) -> None:
    low = int(inner)  # type: ignore[call-overload]
    wrapped = (
        f"::ffff:{inner}",
        f"::{inner}",
        f"64:ff9b::{inner}",
        f"2002:{low >> 16:x}:{low & 0xFFFF:x}::1",
        f"2001:0:{low >> 16:x}:{low & 0xFFFF:x}::1",
    )

    assert not any(map(is_public, wrapped))


def test_every_reason_is_a_whole_sentence_for_people() -> None:
    assert all(re.search(r"[一-鿿]", words) and words.endswith("。") for words in REFUSALS.values())
    assert not any(re.search(r"[一-鿿][,.:;!?()]|[,.:;!?()][一-鿿]", words) for words in REFUSALS.values())
