"""Throws at the query API whatever its own description allows, and what it does not: no answer may be a server's error or differ from
the description. By schemathesis, which is not ours.

api.py URL: a server with piles, stations, charges and, in some minutes, a document: it is waited for, and what has not come is a failure. Prints the closing line of a checker, "N passed, M failed". Called by tests/run.
"""
import json, pathlib, re, subprocess, sys, tempfile, time, urllib.request

URL = sys.argv[1]
# Seeded, so that what is found is found again; bounded, so that it ends.
SETTINGS = ["--seed", "6", "--max-examples", "40", "--no-shrink", "--continue-on-failure", "--phases", "examples,coverage,fuzzing",
            "--rate-limit", "1100/m", "--request-timeout", "30", "--max-time", "60"]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"


# The demo's pile is verified within some two minutes of its start, on an idle machine.
WAIT_S = 600


def text(path):
    with urllib.request.urlopen(f"{URL}{path}", timeout=30) as answer:
        return answer.read().decode()


def get(path):
    return json.loads(text(path))


def features(path):
    return [one["id"] for one in get(path)["features"]]


def documents():
    return [one["number"] for one in get("/api/v1/verifications")["verifications"]][:5]


def charges():
    """Numbers stand beside the charges on their pile's page."""
    pages = [text(f"/p/{pile}") for pile in features("/api/v1/piles?limit=5")]
    return [number for page in pages for number in re.findall(r"/check\?charge=(\d+)", page)][:5]


def dumps():
    return [one["href"].rsplit("/", 1)[1] for one in get("/api/v1/dumps")["files"]]


def waited(what, ask):
    """What is there at last; nothing where it has not come."""
    until = time.monotonic() + WAIT_S
    while not (found := ask()) and time.monotonic() < until:
        time.sleep(2)
    if not found:
        print(f"FAILED  there is no {what} to ask for")
    return found


piles = waited("pile", lambda: features("/api/v1/piles?limit=5"))
stations = waited("station", lambda: features("/api/v1/stations?limit=5"))
numbers, of_documents, files = waited("charge", charges), waited("document", documents), waited("dump", dumps)
known = {
    "/api/v1/piles/{id}": ("id", piles), "/api/v1/piles/{id}/history": ("id", piles), "/api/v1/piles/{id}/next-date": ("id", piles),
    "/api/v1/stations/{id}": ("id", stations), "/api/v1/dumps/{file}": ("file", files), "/api/v1/charges/{number}": ("number", numbers),
    "/badge/{pile}.svg": ("pile", piles), "/widget/{pile}": ("pile", piles),
    **{f"/api/v1/certificates/{{number}}{kind}": ("number", of_documents) for kind in ("", ".json", ".pdf", ".dcc.xml")},
}
# Any tile is there, and signals are for who signs in; OCPI is for parties, who have a token, and ocpi.py reads it as one. Every other path that
# names something is asked for what is there.
described = {path for path in get("/openapi.json")["paths"]
             if "{" in path and "/tiles/" not in path and not path.endswith("/signals") and not path.startswith("/ocpi/")}


def run(name, configuration, arguments):
    """Failures that one run finds."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "schemathesis.toml")
        file.write_text(configuration)
        program = pathlib.Path(sys.executable).with_name("schemathesis")
        done = subprocess.run([program, "--config-file", file, "run", f"{URL}/openapi.json", "--checks", CHECKS, *SETTINGS, *arguments],
                              capture_output=True, text=True, cwd=folder)
    told = done.stdout + done.stderr
    cases = re.search(r"(\d+) generated", told)
    tested = re.search(r"Tested: (\d+)", told)
    good = done.returncode == 0 and cases and tested and int(tested[1]) > 0
    print(f"{'passed' if good else 'FAILED'}  {name}: {tested[1] if tested else 0} operations, {cases[1] if cases else 0} requests")
    if not good:
        print(told)
    return int(not good)


failed = run("whatever the description allows", "", [])
# The same with what is there, so that more is looked at than refusals.
for path, (name, values) in known.items():
    print(f"  {path}: {', '.join(values)}")
differ = sorted(described ^ set(known))
if differ:
    print(f"FAILED  described and not asked for, or the other way round: {', '.join(differ)}")
is_there = not differ and all(values for _, values in known.values())
there = [(path, name, values) for path, (name, values) in known.items() if values]
table = "\n".join(f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ {name} = {json.dumps(values)} }}\n' for path, name, values in there)
paths = [argument for path, _, _ in there for argument in ("--include-path", path)]
failed += int(bool(run("what is there", table, paths)) or not is_there)
print(f"{2 - failed} passed, {failed} failed")
sys.exit(failed)
