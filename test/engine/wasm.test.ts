import test from "ava";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import { engineContract, tfjsToy } from "../contract/engine.ts";

engineContract(
  test,
  "tfjs on wasm",
  tfjsToy(() => tfjsEngine({ backend: "wasm" })),
);
