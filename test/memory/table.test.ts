import test from "ava";
import { tableContract } from "../contract/table.ts";
import { makeWorld } from "./world.ts";

tableContract(test, makeWorld);
