"""The process in which GDCM decodes JPEG, apart from everything else.

GDCM ends its process (`terminate called after throwing`) on some damaged streams; in a worker, that
would take every other reading along. It is started by `inference.jpeg_decoder` as a script, so it
imports nothing of Wetread.

Requests and answers are a line of JSON followed by as many bytes as its `bytes` says.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from typing import IO, Any, BinaryIO

# Address space: the largest allowed image, several times over, and the libraries themselves.
_MEMORY_LIMIT_BYTES = 4 * 1024**3
# libjpeg pads an image whose data end early with grey, and only says so here.
_CUT_SHORT = b"premature end"


def main() -> None:
    """Answer requests from standard input until it ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    with _scratch_file() as said:
        # The C libraries write to the standard streams; answers go out beside them.
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        _limit_memory()
        warnings.simplefilter("ignore")
        while line := requests.readline():
            request = json.loads(line)
            frame = requests.read(request.pop("bytes"))
            _answer(answers, *_decoded(frame, request, said))


def _scratch_file() -> IO[bytes]:
    """Open a file in memory where there is one: containers have read-only disks."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("said"), "w+b")
    return tempfile.TemporaryFile()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT_BYTES, _MEMORY_LIMIT_BYTES))


def _decoded(
    frame: bytes, options: dict[str, Any], said: IO[bytes]
) -> tuple[dict[str, Any], bytes]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    said.seek(0)
    said.truncate()
    try:
        options["transfer_syntax_uid"] = UID(options["transfer_syntax_uid"])
        decoder = get_decoder(options["transfer_syntax_uid"])
        data = encapsulate([frame], has_bot=False)
        array, _ = decoder.as_array(data, index=0, decoding_plugin="gdcm", **options)
    except Exception as error:
        return {"problem": type(error).__name__}, b""
    said.seek(0)
    if _CUT_SHORT in said.read():
        return {"problem": "cut short"}, b""
    return {"dtype": array.dtype.str, "shape": array.shape}, array.tobytes()


def _answer(answers: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    answers.write(json.dumps({**header, "bytes": len(body)}).encode() + b"\n")
    answers.write(body)
    answers.flush()


if __name__ == "__main__":
    main()
