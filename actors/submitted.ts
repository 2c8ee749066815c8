/** A submission's workspace archive, fetched, verified and opened in a private folder that is gone afterwards (src/scratch.ts). */
import { join } from "node:path";
import { FlError } from "../src/errors.ts";
import { scratchFolder } from "../src/scratch.ts";
import type { Submission } from "../src/wire/messages.ts";
import { shelves } from "../src/wire/table.ts";
import type { Wire } from "../src/wire/wire.ts";
import { openArchive } from "../src/workspace/open.ts";

export type Opened = { readonly dir: string; close(): Promise<void> };

/** @throws FL_NOT_FOUND, FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID */
export async function openSubmitted(wire: Wire, { archive }: Pick<Submission, "archive">): Promise<Opened> {
  const bytes = await (await wire.shelf(shelves.archives)).get(archive.object);
  if (bytes === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no archive ${archive.object} is stored` });
  const scratch = await scratchFolder("workspace");
  try {
    const { dir } = await openArchive(bytes, archive.digest, join(scratch.dir, "workspace"));
    return { dir, close: () => scratch.close() };
  } catch (e) {
    await scratch.close();
    throw e;
  }
}
