import test from "ava";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import { engineContract } from "../contract/engine.ts";

engineContract(test, "tfjs on cpu", () => tfjsEngine({ backend: "cpu" }));
