"""Images as people upload them, made safe: checked, turned upright, stripped of metadata, re-encoded. Pure."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps

from kernel.errors import AppError, FieldError, Invalid, TooLarge

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
PICTURE_TYPES = tuple(f"image/{name.lower()}" for name in FORMATS)
"""Their media types: what an upload may be."""
MAX_PIXELS = 40_000_000  # a 40-megapixel photograph; decoded, about 120 MB
MAX_SIDE = 20_000  # a decoded row costs its own bytes beside its pixels: 1 x 40,000,000 would take a gigabyte
LARGE = (1600, 3200)
SMALL = (540, 1080)
_QUALITY = 82
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@dataclass(frozen=True)
class Rendering:
    """One WebP file and its size in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Renderings:
    """The sizes that are kept; `small` is `large` itself when the picture is small."""

    large: Rendering
    small: Rendering


def render(data: bytes) -> Renderings:
    """Decode an upload (the first frame, when it moves) and encode it anew as WebP without any metadata.

    Raises `media.broken` (no readable JPEG, PNG, WebP or GIF) and `media.too_large` (more than 40 megapixels, or 20,000 on
    one side); both before a pixel is decoded where the header says so.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
                raise _too_large()
            upright = _upright(image)
        large = _encode(_fit(upright, LARGE))
        fits = large.width <= SMALL[0] and large.height <= SMALL[1]
        return Renderings(large, large if fits else _encode(_fit(upright, SMALL)))
    except AppError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except Exception:  # a decoder fed with hostile bytes raises nearly anything
        error = FieldError("file", "media.broken", "is no readable JPEG, PNG, WebP or GIF")
        raise Invalid("media.broken", "This is no readable JPEG, PNG, WebP or GIF image.", [error]) from None


def _upright(image: Image.Image) -> Image.Image:
    """The pixels as they are meant to be seen: first frame, EXIF orientation applied, sRGB, 8 bits."""
    image.draft("RGB", LARGE)  # a JPEG is decoded at an eighth, a quarter or a half where that is enough
    image.load()
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):
        turned = turned.point(lambda value: value / 256).convert("L")
    transparent = "A" in turned.getbands() or "transparency" in turned.info
    return _to_srgb(turned).convert("RGBA" if transparent else "RGB")


def _to_srgb(image: Image.Image) -> Image.Image:
    """Colours of a wide-gamut camera stay what they were, although the profile goes with the metadata."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def _fit(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    scale = min(1.0, box[0] / image.width, box[1] / image.height)
    if scale == 1.0:
        return image
    size = max(1, math.floor(image.width * scale + 0.5)), max(1, math.floor(image.height * scale + 0.5))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)


def _encode(image: Image.Image) -> Rendering:
    out = io.BytesIO()
    clean = Image.new(image.mode, image.size)
    clean.paste(image)  # a new image has no EXIF, XMP, ICC or comment to write out
    clean.save(out, "WEBP", quality=_QUALITY, method=4)
    return Rendering(out.getvalue(), image.width, image.height)


def _too_large() -> TooLarge:
    said = f"{MAX_PIXELS // 10**6} megapixels, and {MAX_SIDE:,} pixels on a side"
    error = FieldError("file", "media.too_large", f"has more than {said}")
    return TooLarge("media.too_large", f"An image may have {said}.", [error])
