/**
 * `entente workspace pack DIR` and `entente workspace unpack FILE DIR`: an experiment's folder as one file, and back.
 *
 * WP1 Nothing is ever written over: neither an archive nor a file of a folder.
 */
import { readFile, writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { FlError } from "../errors.ts";
import { LIMITS } from "../workspace/archive.ts";
import { packFolder, unpackFolder } from "../workspace/folder.ts";
import type { Console } from "./console.ts";
import { shortest } from "./figures.ts";
import type { Verb } from "./verb.ts";

type PackOptions = { out?: string };
type UnpackOptions = { digest?: string };

export const workspace: Verb = (program, action) => {
  const verb = program.command("workspace").description("Hand an experiment's folder on: as one file, and back.");
  verb
    .command("pack <dir>")
    .description("Make an archive of the folder's files, without what is the site's own.")
    .option("-o, --out <file>", "write it there; default: the folder's name with .tgz, here")
    .option("--json", "print one JSON object a line (docs/cli.md)")
    .action(action<PackOptions, [string]>((options, out, dir) => pack(options, out, dir)));
  verb
    .command("unpack <file> <dir>")
    .description("Make a folder of an archive; nothing of it is written unless all of it is sound.")
    .option("--digest <sha256>", "refuse an archive that is another one")
    .option("--json", "print one JSON object a line (docs/cli.md)")
    .action(action<UnpackOptions, [string, string]>((options, out, file, dir) => unpack(options, out, file, dir)));
  return verb;
};

async function pack({ out: given }: PackOptions, out: Console, dir: string): Promise<number> {
  const file = given ?? `${basename(resolve(dir))}.tgz`;
  const { archive, digest, files, leftOut } = await packFolder(dir, file);
  try {
    await writeFile(file, archive, { flag: "wx" }); // WP1
  } catch (e) {
    const taken = e instanceof Error && "code" in e && e.code === "EEXIST";
    if (taken) throw new FlError("FL_EXISTS", { reason: file, hint: "name another --out, or move it away first" });
    const reason = `${file} cannot be written: ${e instanceof Error ? e.message : String(e)}`;
    throw new FlError("FL_USAGE", { reason }, { cause: e });
  }
  out.emit("packed", {
    ...{ file: resolve(file), digest, bytes: archive.byteLength, files: [...files] },
    left_out: [...leftOut],
  });
  for (const path of files) out.say(`  ${path}`);
  if (leftOut.length > 0) out.aside(`left out: ${leftOut.join(", ")}`);
  out.say(`${shortest(resolve(file))}  ${archive.byteLength} bytes  SHA-256 ${digest}`);
  return 0;
}

async function unpack({ digest: wanted }: UnpackOptions, out: Console, file: string, dir: string): Promise<number> {
  const archive = await readFile(file).catch((e: unknown) => {
    const reason = `${file} cannot be read: ${e instanceof Error ? e.message : String(e)}`;
    throw new FlError("FL_NOT_FOUND", { reason }, { cause: e });
  });
  if (archive.byteLength > LIMITS.packedBytes) {
    throw new FlError("FL_ARCHIVE_INVALID", { reason: `${file} is larger than ${LIMITS.packedBytes} bytes` });
  }
  const { digest, files } = await unpackFolder(archive, dir, wanted?.toLowerCase());
  out.emit("unpacked", { dir: resolve(dir), digest, files: [...files] });
  for (const path of files) out.say(`  ${path}`);
  out.say(`${shortest(resolve(dir))} is there; SHA-256 of the archive ${digest}`);
  return 0;
}
