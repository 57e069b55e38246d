"""Addresses that callers give so that the system opens what they cannot reach."""

import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from services.common.environ import ConfigError, Environ
from services.common.errors import Forbidden, InvalidInput, NotFound, SpotOnError
from services.common.outgoing.guard import AddressGuard
from services.common.outgoing.http import send
from services.common.outgoing.policy import (
    AddressPolicy,
    IPAddress,
    policy_from_texts,
)
from services.common.outgoing.recording import open_recording
from services.common.outgoing.url import DEFAULT_PORTS, Credentials, read_url

FIELD = "camera.source.network.url"
# Everything that may be allowed by name, and nothing by address.
OPEN = policy_from_texts(tuple(DEFAULT_PORTS), ("*",), ())
METADATA = "169.254.169.254"


def answering(*addresses: str) -> AddressGuard:
    """Return a guard whose names all resolve to some addresses."""

    async def resolve(name: str) -> Sequence[IPAddress]:
        return [ipaddress.ip_address(one) for one in addresses]

    return AddressGuard(OPEN, resolve)


LITERALS = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",  # noqa: S104 - nothing is bound.
    "127.0.0.1.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    METADATA,
    "2852039166",
    "0xa9fea9fe",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "100.64.0.1",
    "[fc00::1]",
    "224.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", LITERALS)
@pytest.mark.parametrize("scheme", ["http", "rtsp"])
async def test_an_address_in_any_spelling(scheme: str, host: str) -> None:
    """Decimal, octal, hexadecimal, short, mapped into IPv6: none is opened."""
    guard = answering("93.184.216.34")
    for address in (f"{scheme}://{host}/x", f"{scheme}://{host}:8080/x"):
        with pytest.raises((InvalidInput, Forbidden)):
            guard.check(address, FIELD)
        with pytest.raises((InvalidInput, Forbidden)):
            await guard.pin(address, FIELD)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        METADATA,
        "10.1.2.3",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "fe80::1",
        "fd00::1",
        "100.100.100.200",
    ],
)
async def test_a_dns_answer_that_leads_inside(address: str) -> None:
    """A name whose answer is private is refused, also beside a public one."""
    for answers in ((address,), ("93.184.216.34", address)):
        with pytest.raises(Forbidden):
            await answering(*answers).pin("https://example.org/x", FIELD)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "gopher://example.org/x",
        "ftp://example.org/x",
        "concat:http://example.org",
        "rtsp:example.org",
        "//example.org/x",
        "http://",
        "http:///x",
        "http://exa mple.org/",
        "http://example.org\\@evil.org/",
        "http://example.org/\r\nHost: evil",
        "http://a@b@example.org/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "http://[::1/",
        "http://[not:an:address]/",
        "http://example.org#@evil.org/",
        "http://exämple.org/",
        "http://１２７.0.0.1/",
        "http://-a.org/",
        "http://a..org/",
        "http://" + "a" * 64 + ".org/",
        "http://example.org/" + "a" * 2000,
    ],
)
async def test_odd_addresses(address: str) -> None:
    """What two libraries might read in two ways is refused, without repeating it."""
    with pytest.raises(InvalidInput) as refused:
        await answering("93.184.216.34").pin(address, FIELD)
    assert refused.value.field == FIELD
    assert address not in str(refused.value)


async def test_a_good_address_is_pinned() -> None:
    """The address that was checked is the one to connect to."""
    pinned = await answering("93.184.216.34").pin(
        "rtsp://me:secret@Cam.Example.org:8554/live?x=1", FIELD
    )
    assert str(pinned.url) == "rtsp://cam.example.org:8554/live?x=1"
    assert pinned.address == ipaddress.ip_address("93.184.216.34")
    with pytest.raises(NotFound):
        await answering().pin("rtsp://cam.example.org/", FIELD)


def test_nothing_is_allowed_unless_it_is_listed() -> None:
    """Schemes, hosts and networks are closed by default; metadata always is."""

    def policy(**told: str) -> AddressPolicy:
        variables = {f"SPOTON_SOURCES_{name}": text for name, text in told.items()}
        return Environ("SPOTON_SOURCES_", variables).address_policy()

    closed, some = AddressGuard(policy()), policy(HOSTS="cam.org,*.example.org")
    listed = AddressGuard(some)
    wide = policy(
        SCHEMES="http,rtsp",
        HOSTS="*",
        NETWORKS="10.0.0.0/8,169.254.0.0/16,::ffff:0:0/96,0.0.0.0/0",
    )
    with pytest.raises(Forbidden):
        closed.check("https://example.org/", FIELD)
    for good in ("https://cam.org", "https://a.example.org", "rtsps://b.a.example.org"):
        listed.check(good, FIELD)
    for bad in (
        "http://cam.org",
        "https://example.org",
        "https://evilexample.org",
        "https://cam.org.evil.org",
        "https://10.0.0.1",
    ):
        with pytest.raises(Forbidden):
            listed.check(bad, FIELD)
    AddressGuard(wide).check("rtsp://10.0.0.1/", FIELD)
    for never in (METADATA, "[::ffff:169.254.169.254]", "0.0.0.1"):
        with pytest.raises(Forbidden):
            AddressGuard(wide).check(f"http://{never}/", FIELD)
    for wrong in ({"SCHEMES": "file"}, {"HOSTS": "a.*"}, {"NETWORKS": "10.0.0.1/8"}):
        with pytest.raises(ConfigError, match="SPOTON_SOURCES_"):
            policy(**wrong)


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    st.sampled_from(sorted(DEFAULT_PORTS)),
)
def test_whatever_is_written_is_read_once(rest: str, scheme: str) -> None:
    """Any text is refused by one of our errors, or read the same a second time."""
    try:
        url, _ = read_url(f"{scheme}://{rest}", FIELD)
    except SpotOnError:
        return
    again, credentials = read_url(str(url), FIELD)
    assert again == url
    assert credentials is None


def test_credentials_are_taken_out_and_not_shown() -> None:
    """They are neither in the address nor in any text of it."""
    url, credentials = read_url("rtsp://me:p%40ss:w@cam.org/live", FIELD)
    assert credentials == Credentials("me", "p@ss:w")
    assert str(url) == "rtsp://cam.org/live"
    for shown in (repr(url), repr(credentials)):
        assert "p@ss" not in shown
        assert "me" not in shown.replace("scheme", "").replace("username", "")


@asynccontextmanager
async def web_server(
    host: str, handler: object, port: int = 0
) -> AsyncIterator[tuple[int, list[web.Request]]]:
    """Serve on one loopback address; yield the port and what was asked."""
    asked: list[web.Request] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await handler(request)  # type: ignore[operator]

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", remember)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    try:
        taken: int = runner.addresses[0][1]
        yield taken, asked
    finally:
        await runner.cleanup()


async def fine(request: web.Request) -> web.Response:
    """Answer."""
    return web.Response(text="fine")


def local(*resolved: str) -> AddressGuard:
    """Return a guard that allows 127.0.0.2, whose names change their address."""
    answers = iter(resolved)

    async def resolve(name: str) -> Sequence[IPAddress]:
        return [ipaddress.ip_address(next(answers))]

    policy = policy_from_texts(("http",), ("*",), ("127.0.0.2/32",))
    return AddressGuard(policy, resolve)


async def test_request_forgery_by_redirect() -> None:
    """The redirect is refused, and whom it names is not asked."""
    async with web_server("127.0.0.3", fine) as (victim_port, asked):

        async def redirect(request: web.Request) -> web.Response:
            raise web.HTTPFound(f"http://127.0.0.3:{victim_port}/secret")

        async with web_server("127.0.0.2", redirect) as (port, _):
            guard = local("127.0.0.2")
            pinned = await guard.pin(f"http://cam.org:{port}/x", FIELD)
            with pytest.raises(Forbidden, match="redirect"):
                await send(pinned)
    assert not asked


async def test_request_forgery_by_a_second_dns_answer() -> None:
    """A name that changes its address after the check is connected to as checked."""
    async with (
        web_server("127.0.0.2", fine) as (port, good),
        web_server("127.0.0.3", fine, port) as (_, victim),
    ):
        guard = local("127.0.0.2", "127.0.0.3")
        pinned = await guard.pin(f"http://cam.org:{port}/x", FIELD)
        answer = await send(pinned, method="POST", body=b"x")
        assert (answer.status, answer.body) == (200, b"fine")
        with pytest.raises(Forbidden):
            await guard.pin(f"http://cam.org:{port}/x", FIELD)
    assert [request.headers["Host"] for request in good] == [f"cam.org:{port}"]
    assert not victim


async def test_an_answer_without_end() -> None:
    """No more is read than was asked for."""

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b"x" * 1024)
        return answer

    async with web_server("127.0.0.2", endless) as (port, _):
        pinned = await local("127.0.0.2").pin(f"http://cam.org:{port}/", FIELD)
        with pytest.raises(SpotOnError, match="more than 10000 bytes"):
            await send(pinned, max_bytes=10_000)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/x.ts\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile http://127.0.0.1:{port}/x.mp4\n"),
        ("list.sdp", "v=0\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n"),
        (
            "list.mpd",
            "<MPD><Period><BaseURL>http://127.0.0.1:{port}/</BaseURL></Period></MPD>",
        ),
        ("clip.mp4", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
    ],
)
async def test_a_recording_that_names_addresses(
    tmp_path: Path, name: str, content: str
) -> None:
    """A playlist in the media folder makes FFmpeg open nothing."""
    async with web_server("127.0.0.1", fine) as (port, asked):
        file = tmp_path / name
        file.write_text(content.replace("{port}", str(port)))
        with pytest.raises((av.FFmpegError, ValueError)):
            open_recording(file)
    assert not asked


async def test_a_file_name_that_is_an_address(tmp_path: Path) -> None:
    """A name with a colon is a name."""
    async with web_server("127.0.0.1", fine) as (port, asked):
        with pytest.raises((av.FFmpegError, ValueError)):
            open_recording(Path(f"http://127.0.0.1:{port}/x.mp4"))
    assert not asked


def test_recordings_are_opened_in_one_place() -> None:
    """No other code of the services lets FFmpeg at a file or an address."""
    services = Path(__file__).parents[2] / "services"
    opening = [
        str(file.relative_to(services))
        for file in services.rglob("*.py")
        if "av.open(" in file.read_text(encoding="utf-8")
    ]
    assert opening == ["common/outgoing/recording.py"]
