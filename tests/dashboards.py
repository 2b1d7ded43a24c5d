#!/usr/bin/env python3
"""Dashboards against the running program: every query parses, every metric it names is registered, every panel explains itself.

    dashboards.py METRICS_URL
"""
import json
import pathlib
import re
import sys
import urllib.request

import promql_parser

PASSED, FAILED = [], []


def check(what, good):
    (PASSED if good else FAILED).append(what)
    if not good:
        print("FAILED  " + what)


def registered(url):
    text = urllib.request.urlopen(url, timeout=10).read().decode()
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        names |= {name + suffix for suffix in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


def main():
    known = registered(sys.argv[1])
    folder = pathlib.Path(__file__).resolve().parent.parent / "dashboards"
    files = sorted(folder.glob("*.json"))
    check("there are dashboards", len(files) >= 2)
    for file in files:
        dashboard = json.loads(file.read_text(encoding="utf-8"))
        variables = [variable["type"] for variable in dashboard["templating"]["list"]]
        check(f"{file.name}: the data source is a variable", "datasource" in variables)
        for panel in dashboard["panels"]:
            where = f"{file.name}: {panel['title']}"
            check(f"{where} has a description", bool(panel.get("description")))
            check(f"{where} has a unit", bool(panel["fieldConfig"]["defaults"].get("unit")))
            check(f"{where} asks something", bool(panel["targets"]))
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "5m")
                try:
                    promql_parser.parse(query)
                    check(f"{where}: {query} parses", True)
                except Exception as error:
                    check(f"{where}: {query} parses ({error})", False)
                check(f"{where}: {query} names a metric of ours", re.search(r"\b(veripile|process)_", query) is not None)
                for name in re.findall(r"\b((?:veripile|process)_[a-z_]+)\b", query):
                    check(f"{where}: {name} is registered", name in known)
    print(f"{len(PASSED)} passed, {len(FAILED)} failed")
    sys.exit(len(FAILED) > 0)


main()
