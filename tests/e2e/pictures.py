"""Pictures as small PNG files: full colour where that is small enough, else their 256 most common colours."""

from __future__ import annotations

import base64
import struct
import zlib
from collections import Counter

from playwright.sync_api import Page

# The browser decodes; a page's content policy would refuse the picture, so it is done on an empty page.
_DECODE = """async (text) => {
  const image = new Image();
  image.src = "data:image/png;base64," + text;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height),
    context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  let letters = "";
  for (let at = 0; at < bytes.length; at += 32768) letters += String.fromCharCode.apply(null, bytes.subarray(at, at + 32768));
  return { width: image.width, height: image.height, bytes: btoa(letters) };
}"""
_RGB, _INDEXED = 2, 3


def shrink(picture: bytes, page: Page, *, largest: int) -> bytes:
    """
    Return the same picture as a smaller PNG.

    Args:
        picture: a PNG without transparent parts.
        page: an empty page, which decodes it.
        largest: bytes; a picture that stays larger in full colour gets a palette, rare shades of which become their nearest ones.
    """
    found = page.evaluate(_DECODE, base64.b64encode(picture).decode())
    raw, width, height = base64.b64decode(found["bytes"]), found["width"], found["height"]
    colours = bytearray(len(raw) // 4 * 3)
    for channel in range(3):
        colours[channel::3] = raw[channel::4]
    full = _encode(bytes(colours), width, height, _RGB)
    return full if len(full) <= largest else _encode_with_palette(memoryview(raw).cast("I"), width, height)


def _encode(data: bytes, width: int, height: int, kind: int, palette: bytes = b"") -> bytes:
    line = len(data) // height
    # Flat areas and repeated letters pack best without a filter.
    rows = b"".join(b"\0" + data[start : start + line] for start in range(0, len(data), line))
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    parts += [(b"PLTE", palette)] if palette else []
    parts += [(b"IDAT", packer.compress(rows) + packer.flush()), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _encode_with_palette(pixels: memoryview[int], width: int, height: int) -> bytes:
    counted = Counter(pixels)
    kept = [colour for colour, _ in counted.most_common(256)]
    parts = [(colour & 255, colour >> 8 & 255, colour >> 16 & 255) for colour in kept]
    index = {colour: number for number, colour in enumerate(kept)}
    for colour in counted:
        if colour not in index:
            red, green, blue = colour & 255, colour >> 8 & 255, colour >> 16 & 255
            index[colour] = min(
                range(len(parts)),
                key=lambda at: (parts[at][0] - red) ** 2 + (parts[at][1] - green) ** 2 + (parts[at][2] - blue) ** 2,
            )
    data = bytes(index[colour] for colour in pixels)
    return _encode(data, width, height, _INDEXED, bytes(value for part in parts for value in part))
