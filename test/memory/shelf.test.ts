import test from "ava";
import { shelfContract } from "../contract/shelf.ts";
import { makeWorld } from "./world.ts";

shelfContract(test, makeWorld);
