/** Alerts of feeders in words. Values are shares of what is allowed or nominal, but for two kinds. */

import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { TEXTS } from "./texts";

export function useAlert(): { kindOf(kind: string): string; amountOf(kind: string, value: number | null): string } {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const kinds: Readonly<Record<string, string>> = t.alertKinds;
  return {
    kindOf: (kind) => kinds[kind] ?? kind,
    amountOf(kind, value) {
      if (value === null) return "–";
      if (kind === "temperature") return format.temperature(value);
      return kind === "fault" ? format.energy(value) : format.share(value);
    },
  };
}
