#!/usr/bin/env python3
"""Golden data for data::resize: pictures and what Pillow's bilinear filter makes of them, as bitmaps that Pillow wrote.

    make_resized.py FOLDER           write the files
    make_resized.py --check FOLDER   compare the files there with a fresh run

Needs Pillow (made with 9.4). from-HxW.bmp are noise over a slope with hard edges; from-HxW-to-HxW.bmp their resized copies.
"""

import io
import pathlib
import random
import sys

from PIL import Image

CASES = [((32, 32), (28, 28)), ((7, 5), (32, 40)), ((37, 23), (11, 16)), ((37, 23), (5, 31))]  # height, width


def picture(height, width):
    draws = random.Random(100 * height + width)
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            edge = 255 if (x // 4 + y // 3) % 3 == 0 else 0
            slope = 255 * (x + y) // (width + height)
            image.putpixel((x, y), tuple((edge, slope, draws.randrange(256))[(c + y // 8) % 3] for c in range(3)))
    return image


def files():
    for (height, width), (new_height, new_width) in CASES:
        image = picture(height, width)
        name = f"from-{height}x{width}"
        yield name + ".bmp", image
        resized = image.resize((new_width, new_height), Image.Resampling.BILINEAR)
        yield f"{name}-to-{new_height}x{new_width}.bmp", resized


def main():
    check, folder = "--check" in sys.argv, pathlib.Path(sys.argv[-1])
    for name, image in files():
        content = io.BytesIO()
        image.save(content, "BMP")
        if not check:
            (folder / name).write_bytes(content.getvalue())
        elif (folder / name).read_bytes() != content.getvalue():
            sys.exit(f"{name} differs")


main()
