"""Throws at the query API whatever its own description allows, and what it does not: no answer may be a server's error or differ from
the description. By schemathesis, which is not ours.

api.py URL: a server with some piles and, best, documents. Prints the closing line of a checker, "N passed, M failed". Called by tests/run.
"""
import json, pathlib, re, subprocess, sys, tempfile, urllib.request

URL = sys.argv[1]
# Seeded, so that what is found is found again; bounded, so that it ends.
SETTINGS = ["--seed", "6", "--max-examples", "40", "--no-shrink", "--continue-on-failure", "--phases", "examples,coverage,fuzzing",
            "--rate-limit", "1100/m", "--request-timeout", "30", "--max-time", "60"]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"


def get(path):
    with urllib.request.urlopen(f"{URL}{path}") as answer:
        return json.load(answer)


piles = [one["id"] for one in get("/api/v1/piles?limit=5")["features"]]
stations = [one["id"] for one in get("/api/v1/stations?limit=5")["features"]]
documents = [one["number"] for one in get("/api/v1/verifications")["verifications"]][:5]
dumps = [one["href"].rsplit("/", 1)[1] for one in get("/api/v1/dumps")["files"]]
known = {
    "/api/v1/piles/{id}": ("id", piles), "/api/v1/piles/{id}/history": ("id", piles), "/api/v1/piles/{id}/next-date": ("id", piles),
    "/api/v1/stations/{id}": ("id", stations), "/api/v1/dumps/{file}": ("file", dumps),
    "/api/v1/certificates/{number}": ("number", documents), "/api/v1/certificates/{number}.json": ("number", documents),
    "/api/v1/certificates/{number}.pdf": ("number", documents), "/api/v1/certificates/{number}.dcc.xml": ("number", documents),
}


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
there = [(path, name, values) for path, (name, values) in known.items() if values]
for path, name, values in there:
    print(f"  {path}: {', '.join(values)}")
table = "\n".join(f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ {name} = {json.dumps(values)} }}\n' for path, name, values in there)
paths = [argument for path, _, _ in there for argument in ("--include-path", path)]
failed += run("what is there", table, paths)
print(f"{2 - failed} passed, {failed} failed")
sys.exit(failed)
