/** The Python package has tests of its own: python3 -m unittest discover -s tests -t . in python/ */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { needing, python } from "../support/python.ts";

const folder = fileURLToPath(new URL("../../../python", import.meta.url));

needing(test, "python")("python: the tests of the package entente pass", async (t) => {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
  const args = ["-W", "ignore", "-m", "unittest", "discover", "-s", "tests", "-t", "."];
  const { stderr } = await promisify(execFile)(python!, args, { cwd: folder, env });
  t.log(stderr.trim().split("\n").slice(-3).join(" "));
  t.regex(stderr, /\nOK/);
});
