"""The first frame of a DICOM image as numbers, after checking what its header claims."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import uid
from pydicom.encaps import get_frame, parse_basic_offsets, parse_fragments
from pydicom.pixels.decoders.base import get_decoder

from inference import jpeg_decoder
from inference.codestream import read_size, rle_length
from inference.errors import PixelError
from inference.limits import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

_BYTES_PER_SAMPLE = {"FloatPixelData": 4, "DoubleFloatPixelData": 8}
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
# One decoder for each syntax: what is tested is what serves, and a stream that one library refuses
# as damaged is not handed to the next.
_PLUGIN = {
    **dict.fromkeys((uid.JPEG2000, uid.JPEG2000Lossless), "pylibjpeg"),
    **dict.fromkeys((uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL), "pylibjpeg"),
    **dict.fromkeys((uid.JPEGLSLossless, uid.JPEGLSNearLossless), "pyjpegls"),
    uid.RLELossless: "pydicom",
}
_JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)


@dataclass(frozen=True)
class Claims:
    """What the header says about its pixels, each value checked.

    References
    ----------
    DICOM PS3.3 C.7.6.3 (Image Pixel), C.7.6.6 (Multi-frame).
    """

    keyword: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    frames: int
    transfer_syntax: uid.UID

    @property
    def frame_bytes(self) -> int:
        """Length of one frame as a decoder returns it."""
        return (self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8

    @property
    def native_bytes(self) -> int:
        """Length of all frames uncompressed in the file; frames of single bits share bytes."""
        # 4:2:2 stores two of the three samples.
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        bits = self.rows * self.columns * samples * self.bits_allocated * self.frames
        return (bits + 7) // 8


@dataclass(frozen=True)
class Frame:
    """The first frame as stored.

    Attributes
    ----------
    values
        Shape (rows, columns) or (rows, columns, 3) in RGB; integers or floats.
    """

    values: NDArray[Any]
    claims: Claims


def decode_first_frame(dataset: Dataset) -> Frame:
    """Check what the header claims against the limits and the data, then decode one frame.

    Raises
    ------
    PixelError, ImageTooLarge
    """
    claims = read_claims(dataset)
    check_size(claims.rows, claims.columns)
    if claims.transfer_syntax.is_encapsulated:
        _check_compressed(dataset, claims)
    else:
        _check_native(dataset, claims)
    return Frame(_decode(dataset, claims), claims)


def read_claims(dataset: Dataset) -> Claims:
    """Read and check the Image Pixel attributes.

    Raises
    ------
    PixelError
        One is absent, malformed or contradicts another.
    """
    keyword = next(
        k for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if k in dataset
    )
    allocated = _BYTES_PER_SAMPLE.get(keyword, 0) * 8 or _integer(dataset, "BitsAllocated")
    stored = _integer(dataset, "BitsStored", allocated)
    claims = Claims(
        keyword=keyword,
        rows=_integer(dataset, "Rows"),
        columns=_integer(dataset, "Columns"),
        samples=_integer(dataset, "SamplesPerPixel", 1),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=_integer(dataset, "HighBit", stored - 1),
        signed=_integer(dataset, "PixelRepresentation", 0) == 1,
        photometric=str(dataset.get("PhotometricInterpretation", "")).strip().upper(),
        frames=_integer(dataset, "NumberOfFrames", 1) or 1,
        transfer_syntax=_transfer_syntax(dataset),
    )
    _check_agreement(claims)
    return claims


def _check_agreement(claims: Claims) -> None:
    known = (*_GREY, *_COLOUR, "PALETTE COLOR")
    if claims.photometric not in known:
        raise PixelError(f"PhotometricInterpretation must be one of {', '.join(known)}.")
    wanted = 3 if claims.photometric in _COLOUR else 1
    if claims.samples != wanted:
        raise PixelError(
            f"SamplesPerPixel must be {wanted} for {claims.photometric}; got {claims.samples}."
        )
    if claims.bits_allocated not in (1, 8, 16, 32, 64):
        raise PixelError(f"BitsAllocated must be 1, 8, 16, 32 or 64; got {claims.bits_allocated}.")
    if not 1 <= claims.bits_stored <= claims.bits_allocated:
        raise PixelError(
            f"BitsStored must be 1 to BitsAllocated ({claims.bits_allocated}); "
            f"got {claims.bits_stored}."
        )
    if not claims.bits_stored - 1 <= claims.high_bit < claims.bits_allocated:
        raise PixelError(
            f"HighBit must leave room for {claims.bits_stored} bits; got {claims.high_bit}."
        )
    if claims.frames < 1:
        raise PixelError(f"NumberOfFrames must be at least 1; got {claims.frames}.")


def _integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None or value == "":
        if default is None:
            raise PixelError(f"{keyword} must be there to read an image; it is absent.")
        return default
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise PixelError(f"{keyword} must be one whole number; it is not.") from error


def _transfer_syntax(dataset: Dataset) -> uid.UID:
    """Return the syntax of the file meta information, or what the parser found without it."""
    stated = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if stated:
        syntax = uid.UID(str(stated))
        if syntax.is_private or not syntax.is_transfer_syntax:
            raise PixelError(
                "TransferSyntaxUID must be a known one; got one that is not supported."
            )
        return syntax
    implicit, little = dataset.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def _check_native(dataset: Dataset, claims: Claims) -> None:
    """Refuse data shorter than the header claims: no array is made for bytes that are not there."""
    there, wanted = len(dataset[claims.keyword].value), claims.native_bytes
    if there < wanted:
        raise PixelError(
            f"{claims.keyword} must hold Rows x Columns x samples x frames = {wanted:,} bytes; "
            f"got {there:,}. The file is cut short or its header lies."
        )


def _check_compressed(dataset: Dataset, claims: Claims) -> None:
    """Refuse a compressed frame whose own header differs from the DICOM header."""
    data = dataset[claims.keyword].value
    stream = BytesIO(data)
    parse_basic_offsets(stream)
    fragments = parse_fragments(stream)[0]
    if fragments < claims.frames:
        raise PixelError(
            f"Compressed pixel data must have a fragment for each of {claims.frames:,} frames; "
            f"got {fragments:,}."
        )
    codestream = get_frame(data, 0, number_of_frames=claims.frames)
    if claims.transfer_syntax == uid.RLELossless:
        length = rle_length(codestream)
        # Segments are padded to even length, and writers pad more than they should.
        if not claims.frame_bytes <= length <= claims.frame_bytes + 4096:
            raise PixelError(
                f"An RLE frame must expand to {claims.frame_bytes:,} bytes; this one: {length:,}."
            )
    elif claims.transfer_syntax in (*_PLUGIN, *_JPEG):
        _check_codestream(codestream, claims)


def _check_codestream(codestream: bytes, claims: Claims) -> None:
    if claims.transfer_syntax == uid.JPEGExtended12Bit and claims.bits_stored > 8:
        raise PixelError(
            "JPEG Extended (Process 2 and 4) can be decoded with 8 bits only; this image has "
            f"{claims.bits_stored}."
        )
    found = read_size(codestream)
    if (found.rows, found.columns) != (claims.rows, claims.columns):
        raise PixelError(
            f"The compressed frame must be as large as the header says ({claims.rows:,} x "
            f"{claims.columns:,}); it says {found.rows:,} x {found.columns:,}."
        )
    if found.components != claims.samples or found.bits > claims.bits_allocated:
        raise PixelError(
            f"The compressed frame must have {claims.samples} components of at most "
            f"{claims.bits_allocated} bits; it says {found.components} of {found.bits}."
        )


def _decode(dataset: Dataset, claims: Claims) -> NDArray[Any]:
    if claims.transfer_syntax in _JPEG:
        return _decode_jpeg(dataset, claims)
    try:
        decoder = get_decoder(claims.transfer_syntax)
    except NotImplementedError as error:
        raise PixelError(
            f"Transfer syntax {claims.transfer_syntax.name} is not supported."
        ) from error
    native = not claims.transfer_syntax.is_encapsulated
    shifted = native and claims.high_bit != claims.bits_stored - 1
    options: dict[str, Any] = {"correct_unused_bits": False} if shifted else {}
    options["transfer_syntax_uid"] = claims.transfer_syntax
    plugin = _PLUGIN.get(claims.transfer_syntax, "")
    values, _ = decoder.as_array(dataset, index=0, decoding_plugin=plugin, **options)
    return _unshifted(values, claims) if shifted else values


def _decode_jpeg(dataset: Dataset, claims: Claims) -> NDArray[Any]:
    frame = get_frame(dataset.PixelData, 0, number_of_frames=claims.frames)
    options = {
        "transfer_syntax_uid": str(claims.transfer_syntax),
        "rows": claims.rows,
        "columns": claims.columns,
        "samples_per_pixel": claims.samples,
        "bits_allocated": claims.bits_allocated,
        "bits_stored": claims.bits_stored,
        "pixel_representation": int(claims.signed),
        "photometric_interpretation": claims.photometric,
        "planar_configuration": _integer(dataset, "PlanarConfiguration", 0),
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    }
    return jpeg_decoder.shared.decode(frame, options)


def _unshifted(values: NDArray[Any], claims: Claims) -> NDArray[Any]:
    """Bring values stored in the upper bits of a word down, keeping their sign."""
    drop = claims.bits_allocated - 1 - claims.high_bit
    kept = np.left_shift(values, drop)
    shifted: NDArray[Any] = np.right_shift(kept, claims.bits_allocated - claims.bits_stored)
    return shifted
