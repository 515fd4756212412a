import { describe, expect, it } from "vitest";
import { COMMON } from "../src/i18n/common";
import { localeOf, spoken, texts } from "../src/i18n/texts";

/** Every text of a language: its key, and how many values it takes (none: -1). */
function keys(of: object, before = ""): string[] {
  return Object.entries(of).flatMap(([key, value]) =>
    typeof value === "object"
      ? keys(value, `${before}${key}.`)
      : [`${before}${key}:${typeof value === "function" ? value.length : -1}`],
  );
}

describe("texts", () => {
  it("are the same in every language, none empty", async () => {
    const areas = import.meta.glob<Record<string, unknown>>("../src/**/texts*.ts", { eager: true });
    const found = Object.values(areas).flatMap((module) => Object.values(module));
    const all = [COMMON, ...found].filter(
      (one): one is typeof COMMON =>
        typeof one === "object" && one !== null && "de" in one && typeof one.de === "object",
    );
    expect(all.length).toBeGreaterThan(0);
    for (const area of all) {
      expect(keys(area.de).sort()).toEqual(keys(area.en).sort());
      expect(JSON.stringify(area)).not.toContain('""');
    }
  });
  it("do not compile when a language lacks one, or takes other values", () => {
    // @ts-expect-error a key is missing
    texts({ a: "a", b: "b" }, { a: "a" });
    // @ts-expect-error a key is too many
    texts({ a: "a" }, { a: "a", b: "b" });
    // @ts-expect-error another value is taken
    texts({ a: (n: string) => n }, { a: (n: number) => `${n}` });
  });
});

describe("languages", () => {
  it("are chosen by the browser's order, English otherwise", () => {
    expect(spoken(["fr-FR", "de-AT", "en"])).toBe("de");
    expect(spoken(["fr"])).toBe("en");
    expect(localeOf("de", ["fr", "de-AT"])).toBe("de-AT");
    expect(localeOf("en", ["de"])).toBe("en-GB");
  });
});
