"""Reads vector tiles as any map would, with libraries that are not ours, and compares them with the piles of the database.

tiles.py URL PILES STATIONS: PILES is JSON, a list of {id, lon, lat, kind, power_kw, state}, STATIONS one of {id, lon, lat}: those without a pile.
Called by tiles.rs; complains on stderr and ends with 1.
"""
import gzip, json, math, sys, urllib.request
from collections import Counter, defaultdict

import mapbox_vector_tile, mercantile

URL, PILES, STATIONS = sys.argv[1], json.load(open(sys.argv[2])), json.load(open(sys.argv[3]))
ZOOMS = [0, 2, 4, 5, 7, 9, 10, 11, 12, 13, 15, 18, 20]
FROM_ZOOM, CELLS_TO_ZOOM, EXTENT, SQUARES, CELL_WIDTH, BYTES_MAX, PILES_MAX = 12, 13, 4096, 16, 320, 60_000, 2_000


def fetch(z, x, y):
    request = urllib.request.Request(f"{URL}/api/v1/tiles/piles/{z}/{x}/{y}.mvt", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"] == "application/vnd.mapbox-vector-tile", answer.headers
        assert answer.headers["Content-Encoding"] == "gzip", answer.headers
        assert answer.headers["ETag"] and "max-age" in answer.headers["Cache-Control"], answer.headers
        content = gzip.decompress(answer.read())
    assert len(content) <= BYTES_MAX, f"{z}/{x}/{y}: {len(content)} bytes"
    return mapbox_vector_tile.decode(content, default_options={"y_coord_down": True}), len(content)


def position(pile, tile):
    """Where a pile should be, in units of the tile, by EPSG:3857 as mercantile has it."""
    x, y = mercantile.xy(pile["lon"], pile["lat"])
    bounds = mercantile.xy_bounds(tile)
    return ((x - bounds.left) / (bounds.right - bounds.left) * EXTENT, (bounds.top - y) / (bounds.top - bounds.bottom) * EXTENT)


def near(found, expected, slack):
    return all(abs(f + 0.5 - e) <= slack for f, e in zip(found, expected))


def cells(tile, piles):
    """Where cells should be, with the states of their piles: squares, to each the nearest, the fullest first."""
    squares = defaultdict(list)
    for pile in piles:
        x, y = (int(one) for one in position(pile, tile))
        squares[y * SQUARES // EXTENT, x * SQUARES // EXTENT].append((x, y, pile["state"]))
    middle = lambda square: [sum(one[i] for one in square) / len(square) for i in (0, 1)]
    left = [square for _, square in sorted(squares.items(), key=lambda item: (-len(item[1]), item[0]))]
    found = []
    while left:
        center = middle(left[0])
        cell = [one for square in left if math.dist(center, middle(square)) < CELL_WIDTH for one in square]
        left = [square for square in left if math.dist(center, middle(square)) >= CELL_WIDTH]
        found.append((middle(cell), Counter(state for _, _, state in cell)))
    return found


def layer_of(tile, stations):
    """The layer of stations as another library encodes it."""
    points = [{"geometry": f"POINT({x} {y})", "properties": {"id": station["id"]}} for station in stations for x, y in [map(int, position(station, tile))]]
    return mapbox_vector_tile.encode({"name": "stations", "features": points}, default_options={"y_coord_down": True})


def check_stations(tile, layers, size, stations):
    """Stations without a pile have a layer of their own where piles are drawn one by one and leave room for it, and a number everywhere."""
    [summary] = layers["tile"]["features"]
    assert summary["properties"]["stations"] == len(stations), f"{tile}: {summary} for {len(stations)} stations"
    assert "stations" not in layers or tile.z >= FROM_ZOOM, f"{tile}: {list(layers)}"
    if "stations" not in layers:
        if tile.z >= FROM_ZOOM and stations:
            # The other library may take a byte or two less a station.
            room = len(layer_of(tile, stations)) + 2 * len(stations)
            assert size + room > BYTES_MAX, f"{tile}: {list(layers)}, {size} + {room} bytes"
            tally["stations", "without room"] += 1
        return
    by_id = {feature["properties"]["id"]: feature for feature in layers["stations"]["features"]}
    assert len(layers["stations"]["features"]) == len(by_id) == len(stations), f"{tile}: {len(by_id)} {len(stations)}"
    for station in stations:
        feature = by_id[station["id"]]
        at = feature["geometry"]["coordinates"]
        assert near(at, position(station, tile), 0.51 if tile.z < 20 else 1.1), f"{tile}: {station} at {at}"
        assert list(feature["properties"]) == ["id"], feature


def check(tile, piles, stations):
    layers, size = fetch(tile.z, tile.x, tile.y)
    check_stations(tile, layers, size, stations)
    layers.pop("stations", None)
    [summary] = layers["tile"]["features"]
    assert summary["properties"]["piles"] == len(piles), f"{tile}: {summary} for {len(piles)}"
    assert summary["properties"]["license"] == "CC-BY-4.0"
    assert all(layer["extent"] == EXTENT and layer["version"] == 2 for layer in layers.values())
    drawn = summary["properties"]["drawn"]
    assert set(layers) == {"tile", drawn} | ({"cells"} if tile.z <= CELLS_TO_ZOOM else set()), f"{tile}: {list(layers)}"
    if drawn == "piles":
        assert tile.z >= FROM_ZOOM
        features = layers["piles"]["features"]
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
    if "cells" in layers:
        features = layers["cells"]["features"]
        expected = cells(tile, piles)
        assert len(features) == len(expected), f"{tile}: {len(features)} {len(expected)}"
        for feature, (mean, states) in zip(features, expected):
            told, at = feature["properties"], feature["geometry"]["coordinates"]
            assert near(at, mean, 1.1), f"{tile}: {at} {mean}"
            assert told.pop("piles") == states.total()
            assert told == states, f"{tile}: {told}"
    return drawn


tally = Counter()
for zoom in ZOOMS:
    tiles = defaultdict(list)
    for pile in PILES:
        tiles[mercantile.tile(pile["lon"], pile["lat"], zoom)].append(pile)
    stations = defaultdict(list)
    for station in STATIONS:
        stations[mercantile.tile(station["lon"], station["lat"], zoom)].append(station)
    # All of the few, some of the many.
    chosen = sorted(tiles, key=lambda tile: (-len(tiles[tile]), tile))[:40]
    for tile in chosen:
        tally[zoom, check(tile, tiles[tile], stations[tile])] += 1
        if zoom >= FROM_ZOOM and stations[tile]:
            tally["stations", "beside piles"] += 1
assert tally["stations", "beside piles"] - tally["stations", "without room"] > 10, tally
[alone] = [station for station in STATIONS if station["id"] == "ALONE"]
tile = mercantile.tile(alone["lon"], alone["lat"], 14)
check_stations(tile, *fetch(tile.z, tile.x, tile.y), [alone])
empty, _ = fetch(14, 0, 0)
assert empty["tile"]["features"][0]["properties"]["piles"] == 0 and sum(len(layer["features"]) for layer in empty.values()) == 1
assert any(drawn == "cells" and zoom in ZOOMS and zoom >= FROM_ZOOM for zoom, drawn in tally), f"no tile was too full: {tally}"
print(json.dumps({f"{zoom} {drawn}": count for (zoom, drawn), count in sorted(tally.items(), key=str)}))
