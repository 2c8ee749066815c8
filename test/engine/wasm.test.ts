import test from "ava";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import { engineContract } from "../contract/engine.ts";

engineContract(test, "tfjs on wasm", () => tfjsEngine({ backend: "wasm" }));
