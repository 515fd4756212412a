// A request made here is the one that the ledger's own tools make, byte by byte, and its key has signed it.

import { createPublicKey, createVerify } from "node:crypto";
import { expect, it } from "vitest";

import { fromHex, toHex } from "../src/ledger/bytes";
import { requestFor, requestInfo } from "../src/ledger/request";
import { keyFromPhrase, newPhrase } from "../src/wallet/phrase";

/** Made by `ledgernode.identity.authority.build_request`. */
const MADE = {
  public_key:
    "04910ffb3242e0bfb1ea83c6d65c55bbc5e19db469f855b3cb157e54338288386899d69913d17977169cca532b0c0351af9b6ccda14f24b57773dfde55f67c3283",
  organisation: "north",
  role: "customer",
  name: "anna",
  info: "3081c70201003032310e300c060355040a0c056e6f7274683111300f060355040b0c08637573746f6d6572310d300b06035504030c04616e6e613059301306072a8648ce3d020106082a8648ce3d03010703420004910ffb3242e0bfb1ea83c6d65c55bbc5e19db469f855b3cb157e54338288386899d69913d17977169cca532b0c0351af9b6ccda14f24b57773dfde55f67c3283a033303106092a864886f70d01090e3124302230200603551d250419301706156981aa82c8eae38ff2adbba9e6baeaa2e5a1e34502",
};

it("names who asks and for what, as the ledger's tools do", () => {
  expect(toHex(requestInfo(fromHex(MADE.public_key), MADE))).toBe(MADE.info);
});

it("carries a signature that OpenSSL takes", async () => {
  for (let round = 0; round < 5; round++) {
    const key = await keyFromPhrase(newPhrase());
    const pem = await requestFor(key.privateKey, key.publicKey, MADE);
    const raw = Buffer.from(pem.split("\n").slice(1, -2).join(""), "base64");
    const info = requestInfo(key.publicKey, MADE);
    expect(raw.subarray(4 - (raw[1] === 0x82 ? 0 : 1)).subarray(0, info.length)).toEqual(Buffer.from(info));
    const spki = Buffer.concat([
      Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex"),
      Buffer.from(key.publicKey),
    ]);
    const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
    const bits = raw.lastIndexOf(Buffer.from("06082a8648ce3d040302", "hex")) + 10;
    const signature = raw.subarray(bits + 3);
    expect(createVerify("sha256").update(info).verify(publicKey, signature)).toBe(true);
  }
});

it("refuses a name that no certificate carries", () => {
  expect(() => requestInfo(fromHex(MADE.public_key), { ...MADE, name: "anna m" })).toThrow("a name has");
});
