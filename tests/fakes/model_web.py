"""A web server on loopback that misbehaves as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What is served, and how.

    Attributes:
        content: All of it.
        tag: ETag; None sends none.
        cuts: How many bytes each of the next answers has before it breaks off; None
            lets one pass.
        takes_ranges: Whether a part is answered when one is asked for.
        minds_tag: Whether a part is refused when If-Range names another version.
        stall_after: Bytes after which nothing comes any more.
        drip_s: Time between single bytes.
        redirect: Address to go to instead.
        says_length: Whether the size is told.
        status: What is answered instead of the content; None answers it.
    """

    content: bytes = b""
    tag: str | None = '"1"'
    cuts: list[int | None] = field(default_factory=list)
    takes_ranges: bool = True
    minds_tag: bool = True
    stall_after: int | None = None
    drip_s: float | None = None
    redirect: str | None = None
    says_length: bool = True
    status: int | None = None


class Web:
    """The server; it remembers what it was asked for.

    Attributes:
        pages: What it serves, by path.
        requests: Path and Range of each request.
        released: Set when waiting requests shall end.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()
        web = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                web.requests.append((self.path, self.headers["Range"]))
                self.answer(web.pages.get(self.path), web.released)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def serve(self, path: str, page: Page) -> str:
        """Serve a page from now on; return its address."""
        self.pages[path] = page
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    @property
    def ranges(self) -> list[str | None]:
        """The Range of each request."""
        return [requested for _, requested in self.requests]


class _Handler(BaseHTTPRequestHandler):
    def answer(self, page: Page | None, released: threading.Event) -> None:
        """Answer one request."""
        if page is None or page.redirect or page.status:
            status = (page.status or 302) if page else 404
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if page and page.redirect:
                self.send_header("Location", page.redirect)
            self.end_headers()
            return
        body = page.content[self._begin(page) :]
        if page.says_length:
            self.send_header("Content-Length", str(len(body)))
        if page.tag:
            self.send_header("ETag", page.tag)
        self.end_headers()
        if page.drip_s is not None:
            for byte in body:
                if released.wait(page.drip_s):
                    return
                self.wfile.write(bytes([byte]))
        elif page.stall_after is not None:
            self.wfile.write(body[: page.stall_after])
            self.wfile.flush()
            released.wait(30)
        else:
            cut = page.cuts.pop(0) if page.cuts else None
            self.wfile.write(body if cut is None else body[:cut])

    def _begin(self, page: Page) -> int:
        """Send the status; return where the answer begins."""
        asked = self.headers["Range"]
        same = not page.minds_tag or self.headers["If-Range"] == page.tag
        if not (asked and page.takes_ranges and same):
            self.send_response(200)
            return 0
        begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        size = len(page.content)
        if begin >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            return size
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        return begin

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""

    def handle(self) -> None:
        """Serve; a client that goes away is no error."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@contextmanager
def running_web() -> Iterator[Web]:
    """Serve while the context is open."""
    web = Web()
    thread = threading.Thread(target=web.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        web.server.shutdown()
        web.server.server_close()
        thread.join()
