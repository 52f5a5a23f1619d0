"""The test broadcast: an evening sky with the time of day, a dot that moves, and a soft chord.

The still part is drawn once by Pillow, whose own font also writes the clock: no font need be installed.
"""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT, RATE = 540, 960, 12
PICTURE, FONT = "test-picture.png", "test-font.ttf"
SKY, EARTH, SUN, INK = (52, 40, 84), (226, 132, 108), (255, 206, 150), (255, 250, 244)


def draw(folder: Path) -> None:
    """Write `PICTURE` and `FONT` into `folder` unless they are there."""
    if (folder / PICTURE).exists() and (folder / FONT).exists():
        return
    font = ImageFont.load_default(28)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; the test picture needs it.")
    _write(folder / FONT, font.font_bytes)
    picture = folder / f"new-{os.getpid()}-{PICTURE}"
    _still(font).save(picture, "PNG")
    os.replace(picture, folder / PICTURE)


def graph(fonts: str = f"../{FONT}", picture: str = f"../{PICTURE}") -> str:
    """ffmpeg's lavfi description; video is output 0, audio output 1. Relative paths are free of special characters.

    The picture is decoded once and repeated; `gmtime` is the machine's clock in UTC, as in the playlist.
    """
    clock = f"drawtext=fontfile={fonts}:fontcolor=0xFFFAF4:x=(w-text_w)/2"
    return (
        f"movie={picture},format=yuv420p,loop=-1:1:0,setpts=N/({RATE}*TB),fps={RATE}[still];"
        f"color=0xFFCE96:s=24x24:r={RATE},format=yuv420p[dot];"
        "[still][dot]overlay=x='(W-w)/2-180*cos(2*PI*t/12)':y=604,"
        rf"{clock}:fontsize=104:y=440:text='%{{gmtime\:%H\\\:%M\\\:%S}}',"
        rf"{clock}:fontsize=28:y=388:text='%{{gmtime\:%Y-%m-%d}} UTC'[out0];"
        "sine=f=220:r=44100[low];sine=f=329.63:r=44100[high];"
        "[low][high]amix=2,tremolo=f=0.2:d=0.7,volume=0.12[out1]"
    )


def _still(font: ImageFont.FreeTypeFont) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    picture = Image.composite(Image.new("RGB", ramp.size, EARTH), Image.new("RGB", ramp.size, SKY), ramp)
    glow = Image.new("L", ramp.size, 0)
    ImageDraw.Draw(glow).ellipse((90, 560, 450, 920), fill=150)
    picture.paste(Image.new("RGB", ramp.size, SUN), mask=glow.filter(ImageFilter.GaussianBlur(50)))
    pen = ImageDraw.Draw(picture)
    pen.line((90, 616, 450, 616), fill=INK, width=2)
    pen.text((WIDTH / 2, 72), "Test broadcast", font=font, fill=INK, anchor="mm")
    return picture


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(f"new-{os.getpid()}-{path.name}")
    new.write_bytes(content)
    os.replace(new, path)
