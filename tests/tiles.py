"""Reads vector tiles as any map would, with libraries that are not ours, and compares them with the piles of the database.

tiles.py URL PILES: PILES is JSON, a list of {id, lon, lat, kind, power_kw, state}. Called by tiles.rs; complains on stderr and ends with 1.
"""
import gzip, json, sys, urllib.request
from collections import Counter, defaultdict

import mapbox_vector_tile, mercantile

URL, PILES = sys.argv[1], json.load(open(sys.argv[2]))
ZOOMS = [0, 2, 4, 5, 7, 9, 10, 11, 12, 13, 15, 18, 20]
FROM_ZOOM, EXTENT, SQUARES, BYTES_MAX, PILES_MAX = 12, 4096, 16, 60_000, 2_000


def fetch(z, x, y):
    request = urllib.request.Request(f"{URL}/api/v1/tiles/piles/{z}/{x}/{y}.mvt", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"] == "application/vnd.mapbox-vector-tile", answer.headers
        assert answer.headers["Content-Encoding"] == "gzip", answer.headers
        assert answer.headers["ETag"] and "max-age" in answer.headers["Cache-Control"], answer.headers
        content = gzip.decompress(answer.read())
    assert len(content) <= BYTES_MAX, f"{z}/{x}/{y}: {len(content)} bytes"
    return mapbox_vector_tile.decode(content, default_options={"y_coord_down": True})


def position(pile, tile):
    """Where a pile should be, in units of the tile, by EPSG:3857 as mercantile has it."""
    x, y = mercantile.xy(pile["lon"], pile["lat"])
    bounds = mercantile.xy_bounds(tile)
    return ((x - bounds.left) / (bounds.right - bounds.left) * EXTENT, (bounds.top - y) / (bounds.top - bounds.bottom) * EXTENT)


def near(found, expected, slack):
    return all(abs(f + 0.5 - e) <= slack for f, e in zip(found, expected))


def check(tile, piles):
    layers = fetch(tile.z, tile.x, tile.y)
    [summary] = layers["tile"]["features"]
    assert summary["properties"]["piles"] == len(piles), f"{tile}: {summary} for {len(piles)}"
    assert summary["properties"]["license"] == "CC-BY-4.0"
    assert all(layer["extent"] == EXTENT and layer["version"] == 2 for layer in layers.values())
    drawn = summary["properties"]["drawn"]
    assert drawn in layers and len(layers) == 2, f"{tile}: {list(layers)}"
    features = layers[drawn]["features"]
    if drawn == "piles":
        assert tile.z >= FROM_ZOOM
        by_id = {feature["properties"]["id"]: feature for feature in features}
        assert len(features) == len(by_id) == len(piles), f"{tile}: {len(features)} {len(piles)}"
        # The key of a place has 32 bits: 4 units at zoom 22, one at 20.
        for pile in piles:
            feature = by_id[pile["id"]]
            at = feature["geometry"]["coordinates"]
            assert near(at, position(pile, tile), 0.51 if tile.z < 20 else 1.1), f"{tile}: {pile} at {at}, not {position(pile, tile)}"
            told = feature["properties"]
            assert (told["state"], told["kind"]) == (pile["state"], pile["kind"]), f"{told} {pile}"
            power = told.get("power_kw")
            assert (power is None) == (pile["power_kw"] is None) and (power is None or abs(power - pile["power_kw"]) < 1e-4 * power), f"{told} {pile}"
    else:
        assert tile.z < FROM_ZOOM or len(piles) > PILES_MAX / 4, f"{tile}: few piles, yet not drawn one by one"
        squares = defaultdict(list)
        for pile in piles:
            x, y = position(pile, tile)
            squares[int(x * SQUARES / EXTENT), int(y * SQUARES / EXTENT)].append((x, y, pile["state"]))
        assert len(features) == len(squares), f"{tile}: {len(features)} {len(squares)}"
        for feature in features:
            told, (x, y) = feature["properties"], feature["geometry"]["coordinates"]
            square = squares.pop((x * SQUARES // EXTENT, y * SQUARES // EXTENT))
            mean = [sum(one[i] for one in square) / len(square) for i in (0, 1)]
            assert near((x, y), mean, 1.1), f"{tile}: {(x, y)} {mean}"
            assert told.pop("piles") == len(square)
            assert told == Counter(state for _, _, state in square), f"{tile}: {told}"
    return drawn


tally = Counter()
for zoom in ZOOMS:
    tiles = defaultdict(list)
    for pile in PILES:
        tiles[mercantile.tile(pile["lon"], pile["lat"], zoom)].append(pile)
    # All of the few, some of the many.
    chosen = sorted(tiles, key=lambda tile: (-len(tiles[tile]), tile))[:40]
    for tile in chosen:
        tally[zoom, check(tile, tiles[tile])] += 1
empty = fetch(14, 0, 0)
assert empty["tile"]["features"][0]["properties"]["piles"] == 0 and sum(len(layer["features"]) for layer in empty.values()) == 1
assert any(drawn == "cells" and zoom >= FROM_ZOOM for zoom, drawn in tally), f"no tile was too full: {tally}"
print(json.dumps({f"{zoom} {drawn}": count for (zoom, drawn), count in sorted(tally.items())}))
