import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { bundleModule } from "../../src/parts/bundle.ts";
import { descendantsOf, survivors } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

test("bundle: esbuild's process goes with the last build, and no build is cut short by another's end (B4)", async (t) => {
  const dir = await temporaryDir(t);
  const names = Array.from({ length: 8 }, (_, i) => join(dir, `${i}.ts`));
  await Promise.all(names.map((file, i) => writeFile(file, `export default ${i} satisfies number;`)));
  await writeFile(join(dir, "bad.ts"), "export default ];");
  const build = (file: string): Promise<string> => bundleModule(file, { runtime: "bare", code: "FL_PART_FAILED" });
  const built = names.map(async (file, i) => {
    await Promise.all(Array.from({ length: i }, () => new Promise((resolve) => setImmediate(resolve))));
    return build(file);
  });
  await t.throwsAsync(build(join(dir, "bad.ts")), { message: /bad\.ts:1:16 Unexpected/ });
  for (const [i, text] of (await Promise.all(built)).entries()) t.regex(text, new RegExp(`= ${i};`));
  t.deepEqual(await survivors(await descendantsOf(process.pid)), []);
  t.regex(await build(names[0]!), /= 0;/, "it starts again when it is wanted");
  t.deepEqual(await survivors(await descendantsOf(process.pid)), []);
});
