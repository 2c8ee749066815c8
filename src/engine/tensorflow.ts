/** TensorFlow.js as this installation's engine uses it, on the backend that it has chosen: what models are made with. */
import type { Tf } from "../workspace/define.ts";
import { chooseBackend } from "./backend.ts";

/** `backend` forces one: `node-gpu`, `node`, `wasm` or `cpu`. @throws FL_ENGINE_UNAVAILABLE */
export const tensorflow = async (backend?: string): Promise<Tf> => (await chooseBackend(backend)).tf;
