"""Run pydicom and its decoders without their warnings, which quote values of the file."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# warnings.catch_warnings changes process-wide state: two threads inside it at once would leave the
# filters wrong for good. Decoding holds the interpreter lock nearly all the time anyway.
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def quiet_parser() -> Iterator[None]:
    """Silence warnings and the pydicom logger: both can hold patient data."""
    logger = logging.getLogger("pydicom")
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        was = logger.disabled
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = was
