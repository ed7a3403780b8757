"""`make demo FHIR=hapi PACS=orthanc`: the demo hospital in front of real servers.

    python -m tests.with_real_servers --fhir hapi --pacs orthanc -- OPTIONS OF wetread demo

An address in place of the name is handed to the demo as it is. Nothing here needs pytest.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.hapi import server as hapi
from tests.orthanc import server as orthanc

FAILURES = (hapi.HapiError, orthanc.OrthancError)


def main() -> int:
    """Start the servers, then the demo; give the demo's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fhir", default="", help="`hapi`, or the base of a FHIR server")
    parser.add_argument("--pacs", default="", help="`orthanc`, or a DICOMweb root")
    parser.add_argument("options", nargs="*", help="of `wetread demo`, after --")
    choice = parser.parse_args()
    # As Ctrl-C: the servers are stopped, too, when somebody ends this politely.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wetread-servers-")))
        try:
            fhir = _fhir(choice.fhir, folder, stack)
            dicomweb = _dicomweb(choice.pacs, folder, stack)
            return _demo(choice.options, fhir | dicomweb)
        except FAILURES as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130


def _fhir(choice: str, folder: Path, stack: ExitStack) -> dict[str, str]:
    if choice != "hapi":
        return {"WETREAD_DEMO_FHIR": choice} if choice else {}
    lack = hapi.missing()
    if lack is not None:
        raise hapi.HapiError(lack)
    print("Starting HAPI (the very first time it is built, which takes minutes) ...", flush=True)
    running = stack.enter_context(hapi.running_hapi(folder / "hapi"))
    print(f"  FHIR server       {running.url}", flush=True)
    return {"WETREAD_DEMO_FHIR": running.url}


def _dicomweb(choice: str, folder: Path, stack: ExitStack) -> dict[str, str]:
    if choice != "orthanc":
        return {"WETREAD_DEMO_DICOMWEB": choice} if choice else {}
    print("Starting Orthanc ...", flush=True)
    running = stack.enter_context(orthanc.running_orthanc(folder / "orthanc"))
    print(f"  PACS, DICOMweb    {running.origin}/dicom-web", flush=True)
    print(f"  PACS, C-STORE     {running.aet}@{running.host}:{running.dicom_port}", flush=True)
    return {"WETREAD_DEMO_DICOMWEB": running.dicomweb_url}


def _demo(options: list[str], servers: dict[str, str]) -> int:
    """Run the demo in the foreground; it hears Ctrl-C itself and stops in order.

    The servers' addresses are no arguments: Orthanc's holds its password, which `ps` would show.
    """
    command = [sys.executable, "-m", "plugin", "demo", *options]
    with subprocess.Popen(command, env=os.environ | servers) as demo:
        try:
            return demo.wait()
        except KeyboardInterrupt:
            demo.terminate()
            return demo.wait()


if __name__ == "__main__":
    sys.exit(main())
