#!/usr/bin/env python3
"""The official JSON schemas that come with the PyPI package `ocpp`, asked from both sides.

    schemas.py samples --out FILE    schema-valid payloads of every message of 1.6, 2.0.1 and 2.1, one JSON object a line:
                                     {version, action, kind: call | result | send, payload}
    schemas.py broken --out FILE     the like, each without one member that its schema requires: {…, missing}
    schemas.py validate --in FILE    whether each payload of such a file fits its schema; lists what does not, then exit 1

Called by `tests/conformance.rs`. Samples are the same every time: no randomness, no clock. Each is minimal but for one choice:
one optional member, one word of an enumeration, one length, one count; then one sample with everything there is. Integers stay
within OCPP's 32 bits. Installs nothing; needs `ocpp` and `jsonschema`.
"""
import argparse
import json
import re
import sys
from functools import lru_cache
from pathlib import Path

import jsonschema
import ocpp

FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
# The one message that is sent without waiting for an answer (2.1, message type 6).
SENT = "NotifyPeriodicEventStream"
TIMES = ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00.123Z", "2026-03-01T16:00:00+08:00"]
INTEGER_MAX = 2**31 - 1
# Longest text, array where the schema sets no end.
CHARS_UNLIMITED, ITEMS_UNLIMITED = 600, 3
# Members whose number names a thing: OCPP has none below 0, though its 1.6 and 2.0.1 schemas do not say so.
NAMES_A_THING = {"connectorId", "evseId", "id"}


def files():
    """(version, action, kind, path) of every schema."""
    for version, folder in FOLDERS.items():
        for path in sorted((Path(ocpp.__file__).parent / folder / "schemas").glob("*.json")):
            action, kind = path.stem, "send" if path.stem == SENT else "call"
            if action.endswith("Response"):
                action, kind = action.removesuffix("Response"), "result"
            yield version, action.removesuffix("Request"), kind, path


@lru_cache(maxsize=None)
def load(path):
    return json.loads(path.read_text(encoding="utf-8-sig"))


class Samples:
    """Payloads of one schema."""

    def __init__(self, schema):
        self.schema, self.definitions = schema, schema.get("definitions", {})

    def resolve(self, schema):
        return self.definitions[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema

    def all(self):
        yield self.least(self.schema)
        yield self.most(self.schema)
        yield from self.each(self.schema, "")

    def least(self, schema):
        schema = self.resolve(schema)
        if schema.get("type") == "object":
            return {name: self.least(schema["properties"][name]) for name in schema.get("required", [])}
        if schema.get("type") == "array":
            return [self.least(schema["items"])] * max(1, schema.get("minItems", 0))
        return self.scalars(schema, "")[0]

    def most(self, schema):
        schema = self.resolve(schema)
        if schema.get("type") == "object":
            return {name: self.most(inner) for name, inner in schema.get("properties", {}).items()} | self.further(schema)
        if schema.get("type") == "array":
            return [self.most(schema["items"])] * min(2, schema.get("maxItems", 2))
        return self.scalars(schema, "")[-1]

    def each(self, schema, name):
        """Every single choice, in an otherwise minimal value."""
        schema = self.resolve(schema)
        if schema.get("type") == "object":
            base = self.least(schema)
            for member, inner in schema.get("properties", {}).items():
                for value in self.each(inner, member):
                    yield base | {member: value}
            if further := self.further(schema):
                yield base | further
        elif schema.get("type") == "array":
            for value in self.each(schema["items"], name):
                yield [value]
            most = min(schema.get("maxItems", ITEMS_UNLIMITED), 1024)
            yield [self.least(schema["items"])] * most
            if schema.get("minItems", 0) == 0:
                yield []
        else:
            yield from self.scalars(schema, name)

    def further(self, schema):
        """Where a schema leaves an object open, something of a vendor's own."""
        return {} if schema.get("additionalProperties") is False or "vendorId" not in schema.get("properties", {}) else {"ownNumber": 7, "own": {"list": [1, "zwei", 3.5]}}

    def scalars(self, schema, name):
        if "enum" in schema:
            return schema["enum"]
        kind = schema.get("type")
        if kind == "string":
            return self.texts(schema)
        if kind == "integer":
            return self.numbers(schema, name, [1, 0, -1, INTEGER_MAX])
        if kind == "number":
            return self.numbers(schema, name, [21.4, 0, -0.5, 100, 1234567.8] + ([] if "multipleOf" in schema else [0.000125]))
        if kind == "boolean":
            return [True, False]
        if kind is None:
            return ["text", 7, 1.25, True, [1, "a"], {"a": {"b": []}}]
        raise ValueError(f"a kind of schema that this generator does not know: {schema}")

    def texts(self, schema):
        if schema.get("format") == "date-time":
            return TIMES
        if schema.get("format") == "uri":
            return ["ftp://user:secret@example.org/log?x=1", "https://[2001:db8::1]:8443/a%20b"]
        least, most = schema.get("minLength", 0), schema.get("maxLength", CHARS_UNLIMITED)
        return ["a" * max(1, least), "z" * least, "桩" * most, ("3é\"\\ /\t" * most)[:most]]

    def numbers(self, schema, name, candidates):
        low = schema.get("minimum", 0 if name in NAMES_A_THING else float("-inf"))
        high = schema.get("maximum", float("inf"))
        bounds = [int(bound) for bound in (low, high) if abs(bound) != float("inf")]
        return [number for number in candidates + bounds if low <= number <= high]


def samples():
    for version, action, kind, path in files():
        seen = set()
        for payload in Samples(load(path)).all():
            text = json.dumps(payload, ensure_ascii=False)
            if text not in seen:
                seen.add(text)
                yield {"version": version, "action": action, "kind": kind, "payload": payload}


def broken():
    for version, action, kind, path in files():
        schema = load(path)
        for name in schema.get("required", []):
            payload = Samples(schema).least(schema)
            del payload[name]
            yield {"version": version, "action": action, "kind": kind, "payload": payload, "missing": name}


def write(messages, out):
    count = 0
    with open(out, "w", encoding="utf-8") as file:
        for message in messages:
            file.write(json.dumps(message, ensure_ascii=False) + "\n")
            count += 1
    print(f"{count} messages")


FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time")
def is_date_time(text):
    return not isinstance(text, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text) is not None


@FORMATS.checks("uri")
def is_uri(text):
    return not isinstance(text, str) or re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", text) is not None


def decimal(validator, step, number, _schema):
    """`multipleOf` in decimal: in binary, 21.4 is no multiple of 0.1."""
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        if abs(number / step - round(number / step)) > 1e-6:
            yield jsonschema.ValidationError(f"{number} is not a multiple of {step}")


@lru_cache(maxsize=None)
def validator(version, action, kind):
    for name in (f"{action}Response",) if kind == "result" else (f"{action}Request", action):
        path = Path(ocpp.__file__).parent / FOLDERS[version] / "schemas" / f"{name}.json"
        if path.exists():
            schema = load(path)
            chosen = jsonschema.validators.extend(jsonschema.validators.validator_for(schema), {"multipleOf": decimal})
            return chosen(schema, format_checker=FORMATS)
    return None


def faults(message):
    found = validator(message["version"], message["action"], message["kind"])
    if found is None:
        return ["there is no such message"]
    return [f"{error.json_path}: {error.message[:200]}" for error in found.iter_errors(message["payload"])]


def validate(path):
    count = wrong = 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            message = json.loads(line)
            count += 1
            if errors := faults(message):
                wrong += 1
                print(f"{message['version']} {message['action']} {message['kind']}: {'; '.join(errors)}\n  {json.dumps(message['payload'])[:400]}")
    print(f"{count - wrong} of {count} fit their schemas")
    return 1 if wrong or count == 0 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("samples", "broken"):
        commands.add_parser(name).add_argument("--out", required=True)
    commands.add_parser("validate").add_argument("--in", dest="path", required=True)
    given = parser.parse_args()
    if given.command == "validate":
        return validate(given.path)
    write(samples() if given.command == "samples" else broken(), given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
