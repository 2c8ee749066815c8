/** GPUs by nvidia-smi, from what it says and from how it behaves. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { cudaIn, NvidiaSmi, parseGpus } from "../../actors/device-monitor/nvidia-smi.ts";
import { temporaryDir } from "../support/server.ts";

const MIB = 2 ** 20;
const two = "0, NVIDIA H200, 143771, 1024, 37, 550.54.15\n1, NVIDIA H200, 143771, 0, 0, 550.54.15\n";

test("each line is a GPU: memory in bytes, utilisation as a fraction", (t) => {
  t.deepEqual(parseGpus(two), [
    {
      index: 0,
      name: "NVIDIA H200",
      memory_total: 143771 * MIB,
      memory_used: 1024 * MIB,
      utilisation: 0.37,
      driver: "550.54.15",
      cuda: "",
    },
    {
      index: 1,
      name: "NVIDIA H200",
      memory_total: 143771 * MIB,
      memory_used: 0,
      utilisation: 0,
      driver: "550.54.15",
      cuda: "",
    },
  ]);
});

test("a figure that the driver does not give is 0 (NS3)", (t) => {
  const said = [
    "0, NVIDIA H200 MIG 1g.18gb, 143771, 87, [N/A], 570.86.15",
    "1, NVIDIA GB10, [N/A], [N/A], 3, 580.95",
    "2, Tesla M2090, [Not Supported], 12, [Unknown Error], 390.157",
  ].join("\r\n");
  t.deepEqual(
    parseGpus(said).map((g) => [g.index, g.memory_total, g.memory_used, g.utilisation]),
    [
      [0, 143771 * MIB, 87 * MIB, 0],
      [1, 0, 0, 0.03],
      [2, 0, 12 * MIB, 0],
    ],
  );
});

test("a name may hold commas", (t) => {
  t.is(parseGpus("3, Quadro, the big one, 8192, 1, 2, 470.1")[0]?.name, "Quadro, the big one");
});

test("lines that are no GPU are passed over (NS3)", (t) => {
  for (const said of [
    "",
    "\n\n",
    "No devices were found\n",
    "index, name, memory.total [MiB]",
    "0, , 1",
    "a,b,c,d,e,f",
  ]) {
    t.deepEqual(parseGpus(said), [], JSON.stringify(said));
  }
  t.is(parseGpus(`Unable to determine the device handle\n${two}`).length, 2);
});

const head = (version: string): string =>
  `| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: ${version}     |`;

test("the CUDA version is read from the plain output's head, where it says one (NS4)", (t) => {
  t.is(cudaIn(`Tue Nov 21 22:11:07\n+-----+\n${head("12.4")}\n`), "12.4");
  t.is(cudaIn("CUDA Version                              : 13.0\n"), "13.0");
  for (const said of ["", head("N/A"), two]) t.is(cudaIn(said), "", said);
});

/** a stand-in that counts its queries in a file, and says nothing of CUDA unless its body does */
async function stub(t: Parameters<typeof temporaryDir>[0], body: string): Promise<{ command: string; runs: string }> {
  const dir = await temporaryDir(t);
  const command = join(dir, "nvidia-smi");
  const runs = join(dir, "runs");
  await writeFile(command, `#!/bin/sh\n[ $# = 0 ] || echo run >> '${runs}'\n${body}\n`);
  await chmod(command, 0o755);
  return { command, runs };
}
const lines = async (file: string): Promise<number> => (await readFile(file, "utf8")).trim().split("\n").length;

test("where it is absent there are no GPUs", async (t) => {
  const smi = new NvidiaSmi("/no/such/nvidia-smi");
  t.deepEqual(await smi.read(), []);
  t.deepEqual(await smi.read(), []);
});

test("where it fails it is run once and never again (NS1)", async (t) => {
  const { command, runs } = await stub(t, "echo 'NVIDIA-SMI has failed because it could not reach the driver'; exit 9");
  const smi = new NvidiaSmi(command);
  for (let i = 0; i < 3; i++) t.deepEqual(await smi.read(), []);
  t.is(await lines(runs), 1);
});

test("where it answers it is run for each report, and once for those that ask together", async (t) => {
  const { command, runs } = await stub(t, `echo '${two.trim()}'`);
  const smi = new NvidiaSmi(command);
  t.deepEqual(await Promise.all([smi.read(), smi.read()]), [parseGpus(two), parseGpus(two)]);
  t.is((await smi.read()).length, 2);
  t.is(await lines(runs), 2);
});

test("it tells the CUDA version of each GPU, and is asked for it once (NS4)", async (t) => {
  const asked = '$(dirname "$0")/asked';
  const said = `[ $# = 0 ] && { echo x >> "${asked}"; echo '${head("12.4")}'; exit; }; echo '${two.trim()}'`;
  const { command, runs } = await stub(t, said);
  const smi = new NvidiaSmi(command);
  for (let i = 0; i < 2; i++) {
    t.deepEqual(
      (await smi.read()).map((g) => g.cuda),
      ["12.4", "12.4"],
    );
  }
  t.is(await lines(join(runs, "../asked")), 1);
});

test("where it is too slow the last figures stand, and it is tried again (NS2)", async (t) => {
  const { command, runs } = await stub(
    t,
    `[ $(wc -l < "$(dirname "$0")/runs") = 2 ] && exec sleep 60; echo '${two.trim()}'`,
  );
  const smi = new NvidiaSmi(command, 2_000);
  for (let i = 0; i < 3; i++) t.deepEqual(await smi.read(), parseGpus(two));
  t.is(await lines(runs), 3);
});
