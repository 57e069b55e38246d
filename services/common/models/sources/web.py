"""Files on the web."""

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from urllib.parse import urlsplit

from services.common.models.model_file import is_loopback
from services.common.models.sources.failures import Interrupted, SourceFailed
from services.common.models.sources.pace import Patience
from services.common.models.sources.transfer import Answer, Ask

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206
_BROKEN = (OSError, http.client.HTTPException)


def ask_web(url: str, patience: Patience) -> Ask:
    """Return what asks a web server for a file."""
    opener = urllib.request.build_opener(_SafeRedirects())

    @contextmanager
    def ask(offset: int, validator: str | None) -> Iterator[Answer]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "SpotOn"}
        if validator is not None:
            headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked by UrlSource.
        with _open(opener, request, patience) as response:
            yield _answer(response)

    return ask


@contextmanager
def _open(
    opener: urllib.request.OpenerDirector,
    request: urllib.request.Request,
    patience: Patience,
) -> Iterator[http.client.HTTPResponse]:
    """Open an answer, with errors that tell whether asking again is of use."""
    try:
        response = opener.open(request, timeout=patience.silence_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _RANGE_NOT_SATISFIABLE and request.has_header("Range"):
            # What is here is longer than the file: a plain request starts anew.
            request.remove_header("Range")
            with _open(opener, request, patience) as response:
                yield response
            return
        raise SourceFailed(f"answered HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise SourceFailed(f"cannot be reached: {error.reason}") from error
    except _BROKEN as error:
        raise Interrupted(_said(error)) from error
    with response:
        yield response


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows to HTTPS only, or from this machine to itself."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request that follows.

        Raises:
            SourceFailed: It would leave the encrypted web.
        """
        local = is_loopback(urlsplit(req.full_url).hostname)
        target = urlsplit(newurl)
        if target.scheme != "https" and not (local and is_loopback(target.hostname)):
            where = f"{target.scheme}://{target.netloc}"
            raise SourceFailed(f"redirects to {where}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Body:
    """Body of an HTTP answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def read1(self, size: int, /) -> bytes:
        """Return what came."""
        try:
            return self._response.read1(size)
        except _BROKEN as error:
            raise Interrupted(_said(error)) from error


def _answer(response: http.client.HTTPResponse) -> Answer:
    """Return what a server's headers say."""
    headers = response.headers
    offset, total = 0, _number(headers["Content-Length"])
    if response.status == _PARTIAL_CONTENT:
        found = _RANGE.fullmatch(headers["Content-Range"] or "")
        if found is None:
            raise SourceFailed("answered with a part and did not say which")
        offset, total = int(found[1]), _number(found[2])
    return Answer(_Body(response), offset, total, _validator(headers))


def _validator(headers: http.client.HTTPMessage) -> str | None:
    """Return what names the version for `If-Range`: a weak tag may not be used."""
    tag: str | None = headers["ETag"]
    if tag and not tag.startswith("W/"):
        return tag
    modified: str | None = headers["Last-Modified"]
    return modified


def _number(text: str | None) -> int | None:
    """Return a header's number, if it has one."""
    return int(text) if text and text.isdigit() else None


def _said(error: Exception) -> str:
    """Return what a broken connection says about itself."""
    if isinstance(error, TimeoutError):
        return "nothing came for too long"
    return str(error) or type(error).__name__
