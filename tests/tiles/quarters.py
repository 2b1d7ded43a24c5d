#!/usr/bin/env python3
"""Made quarters.pmtiles beside it: an archive of tiles by hands that are not ours, the PyPI package pmtiles 3.8.1.

Zoom 0, and three of the four tiles of zoom 1: PNG of one pixel, whose colour is zoom and place. Run where the file is to change:

    python3 quarters.py quarters.pmtiles
"""
import struct
import sys
import zlib

from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer


def png(pixel):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + bytes(pixel))) + chunk(b"IEND", b"")


with open(sys.argv[1], "wb") as file:
    writer = Writer(file)
    for place in sorted([(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 0)], key=lambda place: zxy_to_tileid(*place)):
        writer.write_tile(zxy_to_tileid(*place), png(place))
    writer.finalize(
        {
            "tile_type": TileType.PNG, "tile_compression": Compression.NONE, "min_zoom": 0, "max_zoom": 1,
            "min_lon_e7": 730000000, "min_lat_e7": 180000000, "max_lon_e7": 1350000000, "max_lat_e7": 540000000,
            "center_zoom": 0, "center_lon_e7": 0, "center_lat_e7": 0,
        },
        {},
    )
