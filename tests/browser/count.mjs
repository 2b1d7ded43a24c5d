// A check that counts, and the line that `tests/run` adds up. Called by all that checks here.

let passed = 0;
let failed = 0;

export function check(what, good, detail = "") {
  if (good) passed += 1;
  else failed += 1;
  console.log(`${good ? "ok      " : "FAILED  "}${what}${good ? "" : ` ${detail}`}`);
}

// The end of a checker.
export function tell() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
