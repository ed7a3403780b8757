"""Bring the images of a study to disk: whole series in one answer each, several at a time.

What did not come that way (an answer that broke off, an archive that refuses whole series) is
asked for image by image; if nothing at all came, as the whole study, the one request that SMART
Imaging Access asks of every archive.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from pathlib import Path

from inference.images import read_facts
from plugin.imaging.allowance import Allowance
from plugin.imaging.cache import PRIVATE_FILE
from plugin.imaging.image_name import sop_instance_uid
from plugin.imaging.pacs_errors import (
    BrokeOff,
    ImageMissing,
    PacsError,
    RequestFailed,
    RequestRefused,
)
from plugin.imaging.series_order import SeriesOrder

# More made no archive faster that was measured, and some refuse more.
CONNECTIONS = 4
# After these, the images one by one may still come.
ASK_SINGLY = (BrokeOff, ImageMissing, RequestFailed, RequestRefused)


class StudyFetch:
    """Fetches the images of one study into a folder, as `<series>-<place>.dcm`.

    Parameters
    ----------
    study : str
        Study Instance UID.
    folder : Path
        Private and empty; what is in it after an error is to be thrown away.
    """

    def __init__(self, study: str, folder: Path, allowance: Allowance) -> None:
        self.study, self.folder, self.allowance = study, folder, allowance
        self._parts = itertools.count()

    def run(self, orders: Sequence[SeriesOrder]) -> None:
        """Fetch every image of every series.

        Raises
        ------
        ImageMissing, PacsUnavailable, PacsError, LaunchExpired
            Some image did not arrive whole.
        NotAnImage
            What arrived is no DICOM file.
        """
        self.allowance.begin()
        try:
            self._at_once([partial(self._series, order) for order in orders])
            missing = [(order, uid) for order in orders for uid in order.missing()]
            # Of many the first alone: an archive that refuses one is not asked for a thousand.
            probe = 1 if len(missing) > CONNECTIONS else len(missing)
            for some in (missing[:probe], missing[probe:]):
                self._at_once([partial(self._image, order, uid) for order, uid in some])
        except (ImageMissing, RequestRefused) as error:
            if any(order.arrived for order in orders):
                raise
            try:
                self._whole_study(orders)
            except (ImageMissing, RequestRefused):
                raise error from None

    def _at_once(self, calls: Sequence[Callable[[], None]]) -> None:
        """Do all of it on a few connections, or stop at the first error."""
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="images") as pool:
            futures = [pool.submit(self._in_time, call) for call in calls]
            done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
            if waiting:
                self.allowance.stop()
                pool.shutdown(cancel_futures=True)
        self.allowance.go_on()
        for future in (one for one in futures if one in done):
            future.result()

    def _in_time(self, call: Callable[[], None]) -> None:
        self.allowance.go_on_or_stop()
        call()

    def _series(self, order: SeriesOrder) -> None:
        """Ask for a whole series; one image alone is asked for by its name."""
        if len(order.series.instances) == 1:
            return
        if not order.listed:
            order.expect(order.pacs.list_images(self.study, order.series.uid) or ())
            self.allowance.expect(len(order.listed))
        try:
            self._receive([order], order.series.uid)
        except ASK_SINGLY:
            if not order.listed:
                raise
        if not order.listed:
            order.check_count()

    def _image(self, order: SeriesOrder, uid: str) -> None:
        contents = order.pacs.fetch(self.study, order.series.uid, uid, self.allowance)
        with closing(contents):
            for content in contents:
                part = self._write(content)
                if sop_instance_uid(part) == uid:
                    self._keep(part, order, uid)
                else:
                    part.unlink()
        order.check(uid)

    def _whole_study(self, orders: Sequence[SeriesOrder]) -> None:
        for pacs in dict.fromkeys(order.pacs for order in orders):
            self._receive([order for order in orders if order.pacs is pacs], None)
        for order in orders:
            for uid in order.listed:
                order.check(uid)
            order.check_count()

    def _receive(self, orders: Sequence[SeriesOrder], series: str | None) -> None:
        """Take images as they come, and leave out those that nobody ordered."""
        contents = orders[0].pacs.fetch(self.study, series, None, self.allowance)
        with closing(contents):
            for content in contents:
                part = self._write(content)
                uid = sop_instance_uid(part)
                if uid is None:
                    raise PacsError("Every image must have a number of its own; one has none.")
                order = _order_of(uid, part, orders)
                if order is None or uid in order.arrived:
                    part.unlink()
                else:
                    self._keep(part, order, uid)

    def _write(self, content: Iterable[bytes | memoryview]) -> Path:
        """Write one image as it arrives; when this returns, it is whole."""
        self.allowance.one_image()
        part, size = self.folder / f"{next(self._parts)}.part", 0
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in content:
                    size += len(piece)
                    self.allowance.take(len(piece), size)
                    file.write(piece)
        except BaseException:
            part.unlink()
            raise
        return part

    def _keep(self, part: Path, order: SeriesOrder, uid: str) -> None:
        part.replace(self.folder / f"{order.number:04}-{order.place(uid) + 1:05}.dcm")
        order.arrived.add(uid)


def _order_of(uid: str, part: Path, orders: Sequence[SeriesOrder]) -> SeriesOrder | None:
    """Find whose image this is; None: it belongs to none of them."""
    for order in orders:
        if uid in order.places or (len(orders) == 1 and not order.strict):
            return order
    if all(order.strict for order in orders):
        return None
    series = read_facts(part).series_instance_uid
    return next((o for o in orders if not o.strict and o.series.uid == series), None)
