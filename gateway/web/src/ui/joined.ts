/** Class names that hold, one after the other. */
export function joined(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}
