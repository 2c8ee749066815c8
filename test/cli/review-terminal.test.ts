/** Reviews at a terminal: T1 and T2 of src/cli/review-terminal.ts. */
import { PassThrough } from "node:stream";
import test from "ava";
import { ReviewTerminal } from "../../src/cli/review-terminal.ts";
import type { Decision } from "../../src/parts/reviewer.ts";
import { quiet } from "../support/ports.ts";
import { ARCHIVE, PLAN, requested, SOURCE } from "../support/review.ts";

const same = (text: string): string => text;

function sitting() {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let text = "";
  let looked = (): void => {};
  output.on("data", (chunk) => {
    text += chunk;
    looked();
  });
  const decisions: Decision[] = [];
  const state = { interrupted: 0 };
  const terminal = new ReviewTerminal({
    ...{ input, output, by: "ann", paint: { bold: same, dim: same, red: same } },
    interrupt: () => {
      state.interrupted++;
    },
  });
  /** Resolves when the text says so from where it was last looked for on. */
  let from = 0;
  const says = async (what: RegExp): Promise<string> => {
    for (;;) {
      const found = what.exec(text.slice(from));
      if (found !== null) {
        from += found.index + found[0].length;
        return found[0];
      }
      await new Promise<void>((resolve) => {
        looked = resolve;
      });
    }
  };
  const types = (line: string): void => void input.write(`${line}\n`);
  const ask = (name = "x") =>
    terminal.ask({ ...requested, experiment: name }, (decision) => void decisions.push(decision));
  return { terminal, input, decisions, says, types, ask, state };
}

test("what is asked is shown with its digests and files; a file and the plan can be read before a yes", async (t) => {
  const { decisions, says, types, ask } = sitting();
  ask();
  for (const what of [/x {2}by ann/, /on north/, new RegExp(PLAN), new RegExp(ARCHIVE), /nothing beside its files/]) {
    t.truthy(await says(what));
  }
  await says(/1 +workspace\.mjs/);
  await says(/approve x\?/);
  types("1");
  t.truthy(await says(new RegExp(`1  ${SOURCE.trim().replace(/[(){}=>:]/g, ".")}`)));
  await says(/approve x\?/);
  types("plan");
  await says(/rounds: 3/);
  await says(/approve x\?/);
  types("y");
  await quiet();
  t.deepEqual(decisions, [{ approved: true, by: "ann" }]);
});

test("a no is asked for its reason; whatever else is said is asked again (T2)", async (t) => {
  const { decisions, says, types, ask } = sitting();
  ask();
  for (const said of ["", "yeah", "9", "approve"]) {
    await says(/approve x\?/);
    types(said);
  }
  await says(/approve x\?/);
  types("n");
  await says(/why\? \(told to ann\)/);
  types("no purpose is stated");
  await quiet();
  t.deepEqual(decisions, [{ approved: false, by: "ann", reason: "no purpose is stated" }]);
});

test("questions come one after the other; one that was decided elsewhere ends and says so (T1)", async (t) => {
  const { terminal, decisions, says, types, ask } = sitting();
  ask("x");
  await says(/approve x\?/);
  ask("y");
  ask("z");
  terminal.settled("y");
  terminal.settled("x");
  await says(/x needs no decision here any more/);
  await says(/y needs no decision here any more/);
  await says(/approve z\?/);
  types("y");
  await quiet();
  t.deepEqual(decisions, [{ approved: true, by: "ann" }]);
});

test("an end of input approves nothing (T2)", async (t) => {
  const { input, decisions, says, ask } = sitting();
  ask();
  await says(/approve x\?/);
  input.end();
  await quiet();
  t.deepEqual(decisions, []);
});
