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
for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", code[2]):
    pixels[int(y) * SCALE:(int(y) + 1) * SCALE, int(x) * SCALE:(int(x) + int(width)) * SCALE] = 0
found = [one.text for one in zxingcpp.read_barcodes(pixels)]
if len(found) != 1:
    sys.exit(f"not one code but {found}")
print(found[0])
