"""Uploads through HTTP: what goes in, and what comes out of it."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms, PngImagePlugin
from sqlalchemy import func, select

from notes.models import Media
from tests.house import Client, House, problem
from tests.writing import picture, upload

GPS, ORIENTATION = 0x8825, 0x0112


def served(owner: Client, url: str) -> Image.Image:
    answer = owner.get(url, buffered=True)
    assert answer.status_code == 200
    return Image.open(io.BytesIO(answer.data))


def count(house: House) -> int:
    with house.engines.db.read() as session:
        return session.scalar(select(func.count()).select_from(Media)) or 0


def refused(house: House, client: Client, data: bytes) -> tuple[int, str]:
    """The refusal, after which nothing is kept."""
    answer = problem(upload(client, data))
    assert count(house) == 0
    assert not [path for path in (house.settings.data / "media" / "images").rglob("*") if path.is_file()]
    return answer


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "GIF"])
def test_each_format_comes_out_as_webp_in_two_sizes(any_house: House, fmt: str) -> None:
    author = any_house.as_("author")
    made = upload(author, picture(2000, 1000, fmt))
    assert made.status_code == 201
    assert (made.json["width"], made.json["height"]) == (1600, 800)
    assert (made.json["small"]["width"], made.json["small"]["height"]) == (540, 270)
    for url, size in ((made.json["url"], (1600, 800)), (made.json["small"]["url"], (540, 270))):
        with served(author, url) as image:
            assert (image.format, image.size) == ("WEBP", size)


def test_a_small_picture_is_kept_in_its_own_size_only(house: House) -> None:
    made = upload(house.as_("author"), picture(300, 400)).json
    assert (made["width"], made["height"], made["small"]["url"]) == (300, 400, made["url"])


def test_a_photograph_is_turned_upright_and_loses_its_metadata(house: House) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera was held on its side
    exif[0x010F] = "A telling camera"
    exif.get_ifd(GPS)[1] = "N"
    data = picture(
        80,
        40,
        "JPEG",
        exif=exif,
        comment=b"at home",
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )
    assert b"telling" in data
    author = house.as_("author")
    made = upload(author, data).json
    assert (made["width"], made["height"]) == (40, 80)
    with served(author, made["url"]) as image:
        assert dict(image.getexif()) == {}
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)


def test_text_chunks_of_a_png_are_gone(house: House) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("Author", "somebody who would rather not be named")
    author = house.as_("author")
    made = upload(author, picture(30, 30, "PNG", pnginfo=note)).json
    assert b"somebody" not in author.get(made["url"], buffered=True).data


def test_of_a_moving_gif_the_first_frame_stays(house: House) -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    author = house.as_("author")
    with served(author, upload(author, out.getvalue()).json["url"]) as image:
        assert getattr(image, "n_frames", 1) == 1
        red, _, blue = image.convert("RGB").getpixel((10, 10))  # type: ignore[misc]
        assert red > 200 > 60 > blue


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_odd_pixel_modes_are_understood(house: House, mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (30, 20)).save(out, "PNG")
    made = upload(house.as_("author"), out.getvalue())
    assert (made.status_code, made.json["width"], made.json["height"]) == (201, 30, 20)


def test_a_cmyk_jpeg_becomes_rgb(house: House) -> None:
    out = io.BytesIO()
    Image.new("CMYK", (30, 20), (0, 255, 255, 0)).save(out, "JPEG")
    author = house.as_("author")
    with served(author, upload(author, out.getvalue()).json["url"]) as image:
        assert image.mode == "RGB"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an image",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        picture(50, 50, "JPEG")[:300],
        picture(50, 50, "PNG")[:60],
        picture(50, 50, "WEBP")[:40],
        picture(50, 50, "BMP"),
        picture(50, 50, "TIFF"),
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 64,
        b"GIF89a" + b"\xff" * 50,
    ],
    ids=["empty", "text", "svg", "cut-jpeg", "cut-png", "cut-webp", "bmp", "tiff", "hollow-png", "wild-gif"],
)
def test_what_is_no_readable_image_is_broken(house: House, data: bytes) -> None:
    assert refused(house, house.as_("author"), data) == (422, "media.broken")


@pytest.mark.parametrize("side", [6400, 20_000, 60_000])
def test_a_decompression_bomb_is_refused_by_its_header(house: House, side: int) -> None:
    assert refused(house, house.as_("author"), _bomb(side, side)) == (413, "media.too_large")


@pytest.mark.parametrize("size", [(1, 20_001), (20_001, 1), (1, 40_000_000)])
def test_a_picture_as_thin_as_a_thread_is_refused_by_its_header(house: House, size: tuple[int, int]) -> None:
    answer = upload(house.as_("author"), _bomb(*size))
    assert problem(answer) == (413, "media.too_large")
    assert [error["field"] for error in answer.json["errors"]] == ["file"]
    assert count(house) == 0


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1)])
def test_the_longest_side_there_may_be_is_taken(house: House, size: tuple[int, int]) -> None:
    assert upload(house.as_("author"), picture(*size, "PNG")).status_code == 201


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00" * 9)) + chunk(b"IEND", b"")
    )


def test_too_many_bytes_are_refused(house: House) -> None:
    answer = upload(house.as_("author"), b"\xff" * (10 * 2**20))
    assert problem(answer) == (413, "body.too_large")
    assert count(house) == 0


def test_an_upload_is_one_part_named_file_from_somebody_logged_in(house: House) -> None:
    author = house.as_("author")
    assert problem(upload(author, picture(), name="image")) == (422, "media.missing")
    assert problem(author.post("media", {"file": "x"})) == (415, "body.unsupported_media_type")
    assert problem(upload(house.anonymous(), picture())) == (401, "session.required")
    assert count(house) == 0


def test_the_same_key_uploads_once(any_house: House) -> None:
    author = any_house.as_("author")
    first, again = upload(author, picture(), key="k"), upload(author, picture(), key="k")
    assert (again.json, again.headers["Idempotency-Replayed"]) == (first.json, "true")
    files = any_house.engines.blobs.stored().keys()
    assert problem(upload(author, picture(50, 50), key="k")) == (409, "idempotency.key_reused")
    assert count(any_house) == 1
    assert any_house.engines.blobs.stored().keys() == files


def test_the_same_picture_of_two_people_is_one_file(house: House) -> None:
    one, two = upload(house.as_("one"), picture()).json, upload(house.as_("two"), picture()).json
    assert one["id"] != two["id"]
    assert one["url"] == two["url"]


@pytest.mark.parametrize("name", ["x.webp", "0" * 64 + ".webp", "..%2f..%2foffshelf.db", "%2e%2e", "0" * 64])
def test_other_names_are_not_found(house: House, name: str) -> None:
    answer = house.anonymous().get(f"/media/images/{name}")
    assert answer.status_code == 404
    assert answer.json["code"] in ("media.not_found", "resource.not_found")
