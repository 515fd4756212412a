import { describe, expect, it } from "vitest";
import { NoStudy, readStudy } from "../src/pages/operator/backtest";

const STUDY = {
  houses: 10,
  deliveries: 8_760,
  step_minutes: 60,
  begin_ms: 0,
  seed: 1,
  currency: "USD",
  digits: 2,
  mechanisms: [{ mechanism: "uniform", is_market: true, bill_minor: 1_977_176 }],
};

describe("a back test's document", () => {
  it("is read as ledgernode writes it", () => {
    expect(readStudy(JSON.stringify(STUDY)).mechanisms[0]?.mechanism).toBe("uniform");
  });
  it.each([
    "",
    "null",
    "[]",
    "{}",
    JSON.stringify({ ...STUDY, mechanisms: [null] }),
    JSON.stringify({ ...STUDY, digits: "2" }),
  ])("is not %s", (text) => {
    expect(() => readStudy(text)).toThrow(NoStudy);
  });
});
