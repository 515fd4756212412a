import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const CSS = readFileSync(new URL("../src/styles/tokens.css", import.meta.url), "utf8");

function tokens(selector: string): Record<string, string> {
  const start = CSS.indexOf(`${selector} {`);
  const block = CSS.slice(start, CSS.indexOf("}\n", start));
  return Object.fromEntries(
    [...block.matchAll(/--([a-z-\d]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]),
  );
}

/** WCAG 2.2: relative luminance, and the contrast of two colours. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const GROUNDS = ["paper", "surface", "sunken"];
const PAIRS: [string, string, number][] = [
  ...GROUNDS.flatMap((ground) =>
    ["ink", "ink-soft", "accent", "energy", "good", "warn", "bad", "info"].map((text): [string, string, number] => [
      text,
      ground,
      4.5,
    ]),
  ),
  ...["accent", "energy", "good", "warn", "bad", "info"].map((text): [string, string, number] => [
    text,
    `${text}-soft`,
    4.5,
  ]),
  ...["good", "warn", "bad", "info", "accent"].map((name): [string, string, number] => ["ink", `${name}-soft`, 4.5]),
  ["on-accent", "accent", 4.5],
  ["on-accent", "accent-strong", 4.5],
  ["line-strong", "surface", 3],
  ...[1, 2, 3, 4, 5, 6].map((n): [string, string, number] => [`series-${n}`, "surface", 3]),
];

describe.each([":root", ':root[data-theme="dark"]'])("%s", (selector) => {
  const colour = tokens(selector);
  it.each(PAIRS)("%s on %s is at least %s to 1", (text, ground, least) => {
    expect(contrast(colour[text] ?? "#000000", colour[ground] ?? "#000000")).toBeGreaterThanOrEqual(least);
  });
});
