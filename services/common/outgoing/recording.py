"""Open a recording for decoding; the only place where FFmpeg is let at a file."""

from pathlib import Path

import av
from av.container import InputContainer

# Playlists and image sequences could name other files and addresses; what is left
# here cannot, and FFmpeg opens nothing but files.
_OPTIONS = {
    "format_whitelist": "avi,mov,matroska,webm,mpegts,mpeg,mpegvideo,flv,ogg,asf,"
    "mxf,h264,hevc,m4v,ivf,obu,mjpeg,dv,wtv",
    "protocol_whitelist": "file",
}


def open_recording(path: Path) -> InputContainer:
    """Open a file with what FFmpeg may read, and nothing that the file names.

    Raises:
        av.FFmpegError: It is no recording.
        ValueError: Same.
    """
    # The prefix keeps a file name with a colon from being read as an address.
    return av.open(f"file:{path}", options=_OPTIONS)
