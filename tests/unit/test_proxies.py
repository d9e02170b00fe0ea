"""Which proxy leads to the API, and which hosts need none, as curl, Python and Go read the variables."""

import pytest

from bulk.errors import UsageError
from bulk.vpcep.proxies import is_exempt, passwords_in, proxy_for
from bulk.vpcep.regions import parse_endpoint

API = parse_endpoint("https://vpcep.cn-north-4.myhuaweicloud.com")
PRIVATE = parse_endpoint("https://10.1.2.3:8443")
V6 = parse_endpoint("https://[2001:db8::7]")


@pytest.mark.parametrize(
    ("env", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "https://p"}, "https://p"),
        ({"HTTPS_PROXY": "http://user:pw@p:3128/"}, "http://user:pw@p:3128/"),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, "http://[::1]:3128"),
        ({"all_proxy": "http://p"}, "http://p"),
        ({"ALL_PROXY": "http://p"}, "http://p"),
        ({"ALL_PROXY": "http://p", "HTTPS_PROXY": "http://q"}, "http://q"),
        ({"https_proxy": "http://p", "HTTPS_PROXY": "http://q"}, "http://p"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q"}, None),
        ({"https_proxy": "", "ALL_PROXY": "http://q"}, "http://q"),
        ({"HTTPS_PROXY": " http://p "}, "http://p"),
        ({"HTTP_PROXY": "http://p", "http_proxy": "http://p"}, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "myhuaweicloud.com"}, None),
        ({"HTTPS_PROXY": "http://p", "no_proxy": "", "NO_PROXY": "myhuaweicloud.com"}, "http://p"),
        ({"HTTPS_PROXY": "socks5://p", "NO_PROXY": "*"}, None),
    ],
)
def test_the_proxy_of_an_endpoint(env: dict[str, str], proxy: str | None) -> None:
    """The small spelling comes first, even if it is empty; the scheme's own comes before that for all."""
    assert proxy_for(API, env) == proxy


def test_this_machine_is_reached_directly() -> None:
    """No proxy leads back, and one that cannot be used is in nobody's way."""
    env = {"ALL_PROXY": "socks5://p", "HTTP_PROXY": "http://p"}
    for url in ("http://127.0.0.1:80", "http://[::1]:80", "http://localhost", "https://127.0.0.2"):
        assert proxy_for(parse_endpoint(url), env) is None


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "ftp"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_refused_by_its_variable(scheme: str, variable: str) -> None:
    """And nothing of its value is shown, which may hold a password."""
    with pytest.raises(UsageError, match=f"^{variable} names a {scheme} proxy") as raised:
        proxy_for(API, {variable: f"{scheme}://user:hidden@p:1080"})
    assert "hidden" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    "value", ["http://p:x", "http://p:99999", "http://p:0", "http://", "http://[::1", ":3128"]
)
def test_what_is_no_address_is_refused(value: str) -> None:
    """Before a request is made that can never leave."""
    with pytest.raises(UsageError, match=r"^HTTPS_PROXY is not the address of a proxy$"):
        proxy_for(API, {"HTTPS_PROXY": value})


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY", "ftp_proxy"])
@pytest.mark.parametrize("before", ["http://", "", "socks5://"])
def test_the_password_of_every_proxy_is_known(variable: str, before: str) -> None:
    """As written and as meant, alone and behind the user's name, whether or not the proxy is used."""
    env = {variable: f"{before}user:hidden%2Fword@p:3128", "no_proxy": "*", "PATH": "a:b@c"}
    spellings = {"hidden%2Fword", "hidden/word"}
    assert passwords_in(env) == spellings | {f"user:{word}" for word in spellings}


@pytest.mark.parametrize("url", ["", "http://p:3128", "p", "user@p"])
def test_a_proxy_without_a_password_hides_nothing(url: str) -> None:
    """Its host is in messages."""
    assert passwords_in({"HTTPS_PROXY": url}) == frozenset()


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "vpcep.cn-north-4.myhuaweicloud.com",
        "VPCEP.cn-north-4.MyHuaweiCloud.com",
        "myhuaweicloud.com",
        ".myhuaweicloud.com",
        "*.myhuaweicloud.com",
        "com",
        "myhuaweicloud.com.",
        "myhuaweicloud.com:443",
        ".myhuaweicloud.com:443",
        "*:443",
        "a.example, myhuaweicloud.com",
        "a.example myhuaweicloud.com",
        ",,myhuaweicloud.com,",
    ],
)
def test_an_entry_that_names_the_host(entry: str) -> None:
    """A host stands for what is below it, and perhaps for one port only."""
    assert is_exempt(API, entry)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        ",",
        ".",
        "*.",
        "huaweicloud.com",
        "north-4.myhuaweicloud.com",
        "a.vpcep.cn-north-4.myhuaweicloud.com",
        "myhuaweicloud.com:8443",
        "*:8443",
        "myhuaweicloud.com:999999999999999999999999",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "::/0",
        "[::1]",
        "[",
        "my*cloud.com",
    ],
)
def test_an_entry_that_does_not(entry: str) -> None:
    """Neither the end of a word, nor another port, nor an address for a name."""
    assert not is_exempt(API, entry)


@pytest.mark.parametrize(
    "entry",
    [
        "10.1.2.3",
        "10.1.2.3:8443",
        "10.0.0.0/8",
        "10.1.2.3/8",
        "0.0.0.0/0",
        "*",
        "::ffff:10.1.2.3",
        "10.1.2.3/32",
    ],
)
def test_addresses_and_networks(entry: str) -> None:
    """As Go reads them."""
    assert is_exempt(PRIVATE, entry)


@pytest.mark.parametrize(
    "entry", ["10.1.2.30", "10.1.2.3:443", "1.2.3", "2.3", "10.0.0.0/33", "11.0.0.0/8", "::/0"]
)
def test_other_addresses_and_networks(entry: str) -> None:
    """An address has nothing below it."""
    assert not is_exempt(PRIVATE, entry)


@pytest.mark.parametrize(
    "entry", ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:443", "2001:DB8:0::7", "2001:db8::/32", "::/0"]
)
def test_addresses_of_ipv6(entry: str) -> None:
    """In any spelling, with brackets and without."""
    assert is_exempt(V6, entry)


@pytest.mark.parametrize(
    "entry", ["2001:db8::8", "[2001:db8::7]:8443", "::1", "2001:db9::/32", "[2001:db8::7"]
)
def test_other_addresses_of_ipv6(entry: str) -> None:
    """None of them is meant."""
    assert not is_exempt(V6, entry)
