"""Start Orthanc in the foreground: `tests/orthanc/run [--port N] [--dicom-port N] [--data DIR]`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.orthanc.server import SENDERS, OrthancError, running_orthanc


def main() -> int:
    """Print the addresses and run until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="tests/orthanc/run", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="HTTP port; 0: any free one")
    parser.add_argument("--dicom-port", type=int, default=0, help="DICOM port; 0: any free one")
    parser.add_argument("--data", type=Path, help="folder of its images; else they are forgotten")
    choice = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = choice.data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            orthanc = stack.enter_context(
                running_orthanc(folder.absolute(), choice.port, choice.dicom_port)
            )
            print(f"DICOMweb  {orthanc.dicomweb_url}")
            senders = " or ".join(SENDERS)
            place = f"{orthanc.aet}@{orthanc.host}:{orthanc.dicom_port}"
            print(f"DICOM     {place} (C-STORE from {senders})", flush=True)
            return orthanc.process.wait()
        except OrthancError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
