#!/usr/bin/env python3
"""Prints what the QR code on a page says, read off its picture by a reader that knows nothing of who drew it.

    code_read.py PAGE.html
"""
import pathlib
import re
import sys

import numpy
import zxingcpp

# Pixels a module.
SCALE = 8

page = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
code = re.search(r'<svg class="qr".*?viewBox="0 0 (\d+) \1".*? d="([^"]*)"', page, re.S)
if code is None:
    sys.exit("no code on the page")
pixels = numpy.full((int(code[1]) * SCALE,) * 2, 255, numpy.uint8)
# Lines one unit wide, each along the middle of a row.
for x, y, steps in re.findall(r"M(\d+) (\d+)\.5((?:h\d+|m\d+ 0)+)", code[2]):
    x = int(x)
    for step, width in re.findall(r"([hm])(\d+)", steps):
        if step == "h":
            pixels[int(y) * SCALE:(int(y) + 1) * SCALE, x * SCALE:(x + int(width)) * SCALE] = 0
        x += int(width)
found = [one.text for one in zxingcpp.read_barcodes(pixels)]
if len(found) != 1:
    sys.exit(f"not one code but {found}")
print(found[0])
