/** Private keys: P-256, as PKCS#8 text. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { FlError } from "../errors.ts";

export const generateKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** PKCS#8, encrypted if there is a passphrase. */
export const keyToPem = (key: KeyObject, passphrase?: string): string =>
  key.export({
    type: "pkcs8",
    format: "pem",
    ...(passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase }),
  }) as string;

/** @throws FL_PKI when it is no key, or encrypted with another passphrase */
export function keyFromPem(pem: string, passphrase?: string): KeyObject {
  const encrypted = pem.includes("ENCRYPTED");
  if (encrypted && passphrase === undefined) throw new FlError("FL_PKI", { reason: "the key needs its passphrase" });
  try {
    return createPrivateKey(encrypted ? { key: pem, passphrase } : pem);
  } catch (e) {
    const reason = encrypted ? "the passphrase is not the key's" : "the key cannot be read";
    throw new FlError("FL_PKI", { reason }, { cause: e });
  }
}
