/**
 * One ESM text out of a user's TypeScript or JavaScript module and everything it imports.
 *
 * Owns what stays outside a bundle: Node's own modules, and the runtime's (`entente`, `@tensorflow/*`), of which a process
 * must hold one copy only. Every other package is bundled, found from the folder of the module that imports it.
 * B1 `bare` leaves the runtime's imports as written, for a text that is sent elsewhere; `bound` points them at this
 *    installation's files, and keeps each file's `import.meta` url, dirname and filename, for a text that is run here.
 * B2 A `bare` bundle holds no path of this machine, so the same source gives the same text wherever it lies.
 * B3 A failure names file:line:column; detail.frame shows the line.
 * B4 esbuild's own process lives while something is being built, no longer: roles that bundle a part live for weeks.
 */
import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { BuildFailure, BuildOptions, Message, Plugin } from "esbuild";
import { type Code, FlError } from "../errors.ts";

/** What the runtime provides to every module it loads. */
export const PROVIDED = /^(entente|@tensorflow\/[^/]+)(\/|$)/;

export type BundleOptions = {
  runtime: "bare" | "bound";
  code: Code;
  /** packages that stay outside too: whoever runs the text installs them */
  external?: readonly string[];
};

/** Loaded by whoever bundles: most processes of the runtime never do, and start sooner without. */
const esbuild = (): Promise<typeof import("esbuild")> => import("esbuild");

/** There is one esbuild in a process, and stopping it fails what others have it build. */
let building = 0;

/** @throws FlError with `code` */
export async function bundleModule(file: string, options: BundleOptions): Promise<string> {
  building++;
  try {
    return await bundled(file, options);
  } finally {
    building--;
    if (building === 0) await (await esbuild()).stop(); // B4
  }
}

async function bundled(file: string, { runtime, code, external = [] }: BundleOptions): Promise<string> {
  const { build, formatMessages } = await esbuild();
  const entry = resolve(file);
  if (!(await stat(entry).catch(() => undefined))?.isFile())
    throw new FlError(code, { file, reason: `there is no file ${file}` });
  const options = {
    absWorkingDir: dirname(entry),
    entryPoints: [`./${basename(entry)}`],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20.19",
    charset: "utf8",
    logLevel: "silent",
    metafile: true,
    write: false,
    external: external.flatMap((name) => [name, `${name}/*`]),
    plugins: [runtime === "bound" ? bound : bare],
    ...(runtime === "bound" ? { define: here, sourcemap: "inline" } : {}),
  } as const satisfies BuildOptions;
  try {
    const first = await build(options);
    // Bundled CommonJS may require Node's modules, and ESM has no require; only then is one made.
    const requires = Object.values(first.metafile.inputs).some((input) =>
      input.imports.some((i) => i.external === true && i.kind === "require-call"),
    );
    const result = requires ? await build({ ...options, banner: { js: REQUIRE } }) : first;
    return result.outputFiles[0]!.text;
  } catch (e) {
    if (!isBuildFailure(e)) throw new FlError(code, { file, reason: String(e) }, { cause: e });
    const frame = (await formatMessages(e.errors, { kind: "error", color: false })).join("").trim();
    throw new FlError(code, { file, reason: e.errors.map((m) => said(m, dirname(entry))).join("; "), frame }); // B3
  }
}

const REQUIRE =
  'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);';

const isBuildFailure = (e: unknown): e is BuildFailure =>
  e instanceof Error && "errors" in e && Array.isArray(e.errors) && e.errors.length > 0;

const said = ({ text, location }: Message, from: string): string =>
  location === null ? text : `${resolve(from, location.file)}:${location.line}:${location.column + 1} ${text}`;

const bare: Plugin = {
  name: "entente-bare",
  setup(b) {
    b.onResolve({ filter: PROVIDED }, ({ path }) => ({ path, external: true }));
  },
};

/** This file's own require resolves `entente` to this very installation, and the rest as this installation would. */
const own = createRequire(import.meta.url);
const here = {
  "import.meta.url": "__here_url",
  "import.meta.dirname": "__here_dirname",
  "import.meta.filename": "__here_filename",
};

const bound: Plugin = {
  name: "entente-bound",
  setup(b) {
    b.onResolve({ filter: PROVIDED }, ({ path, kind }) => {
      try {
        return { path: kind.startsWith("require") ? own.resolve(path) : import.meta.resolve(path), external: true };
      } catch (e) {
        return { errors: [{ text: `${path} is not installed with entente`, detail: e }] };
      }
    });
    // esbuild would give every file the bundle's import.meta; a constant of its own in each file keeps its place. B1
    b.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: "file" }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      if (!source.includes("import.meta")) return undefined;
      const names: Record<string, string> = {
        __here_url: pathToFileURL(path).href,
        __here_dirname: dirname(path),
        __here_filename: path,
      };
      const constants = Object.entries(names).map(([k, v]) => `const ${k} = ${JSON.stringify(v)};`);
      const contents = `${constants.join(" ")} ${source.replace(/^#!.*/, "")}`;
      return { contents, loader: "default" };
    });
  },
};

/** Where this installation keeps a package; undefined when it has none. */
export function packageFolder(name: string): string | undefined {
  try {
    return dirname(own.resolve(`${name}/package.json`));
  } catch {
    // A package may hide its package.json; its entry then tells where it lies.
    try {
      const entry = fileURLToPath(import.meta.resolve(name));
      const end = entry.lastIndexOf(`node_modules/${name}/`);
      return end < 0 ? undefined : entry.slice(0, end + `node_modules/${name}`.length);
    } catch {
      return undefined;
    }
  }
}
