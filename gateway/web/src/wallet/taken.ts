// A call's arguments, taken one by one, each for a line of the confirm sheet. What is left over, is not there, or is of
// another kind makes it another call than the sheet would say.

/** What stands on a line of the sheet; how it is written is the page's matter (locale, currency). */
export type Shown =
  | { readonly kind: "money" | "energy" | "energyWh" | "price" | "share" | "time"; readonly value: bigint }
  | { readonly kind: "text" | "id" | "code"; readonly value: string }
  | { readonly kind: "scopes"; readonly value: readonly string[] };

export interface Line {
  /** A name of the texts: `to`, `amount`, … ; of what is shown as it stands, the argument's own. */
  readonly label: string;
  /** What of several of that name: a band's hours, a step's end. */
  readonly of?: string;
  readonly shown: Shown;
}

/** The call is not the one that is known under its name. */
export class Other extends Error {}

const NUMERIC = /^-?(0|[1-9]\d*)$/;

export class Taken {
  #left: Map<string, unknown>;
  constructor(values: Record<string, unknown>) {
    this.#left = new Map(Object.entries(values));
  }

  end(): void {
    if (this.#left.size) throw new Other();
  }

  whole(name: string): bigint {
    const value = this.#take(name);
    if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
    if (typeof value === "string" && NUMERIC.test(value)) return BigInt(value);
    throw new Other();
  }

  optional(name: string, otherwise = 0n): bigint {
    return this.#left.has(name) ? this.whole(name) : otherwise;
  }

  id(name: string, label = name): Line {
    return line(label, "id", this.#text(name));
  }

  code(name: string): Line {
    return line(name, "code", this.#text(name));
  }

  flag(name: string): Line {
    const value = this.#take(name);
    if (typeof value !== "boolean") throw new Other();
    return line(name, "code", String(value));
  }

  number(name: string): Line {
    return line(name, "text", this.whole(name).toString());
  }

  words(name: string): Line[] {
    const value = this.#left.has(name) ? this.#text(name) : "";
    return value ? [line(name, "text", value)] : [];
  }

  /** A time that may be left to the market: 0 is not shown. */
  time(name: string, label: string): Line[] {
    const value = this.optional(name);
    return value ? [line(label, "time", value)] : [];
  }

  /** A part of an order; 0 is all that is left. */
  part(name: string): Line[] {
    const value = this.optional(name);
    return value ? [line("energy", "energyWh", value)] : [];
  }

  scopes(name: string): Line {
    const value = this.#take(name);
    if (!Array.isArray(value) || !value.every((one) => typeof one === "string")) throw new Other();
    return { label: name, shown: { kind: "scopes", value } };
  }

  /** The fields of one that has fields of its own. */
  fields(name: string): Taken {
    return new Taken(record(this.#take(name)));
  }

  has(name: string): boolean {
    return this.#left.has(name);
  }

  /** One after the other; none where it is left out. */
  each(name: string): readonly Taken[] {
    if (!this.#left.has(name)) return [];
    const value = this.#take(name);
    if (!Array.isArray(value)) throw new Other();
    return value.map((one) => new Taken(record(one)));
  }

  text(name: string, otherwise?: string): string {
    return otherwise !== undefined && !this.#left.has(name) ? otherwise : this.#text(name);
  }

  /** As it stands, where it is there and says anything. */
  asItStands(name: string): Line[] {
    if (!this.#left.has(name)) return [];
    const value = this.#take(name);
    const empty = value === null || value === "" || (Array.isArray(value) && value.length === 0);
    return empty ? [] : [line(name, "code", JSON.stringify(value))];
  }

  #text(name: string): string {
    const value = this.#take(name);
    if (typeof value !== "string") throw new Other();
    return value;
  }

  #take(name: string): unknown {
    if (!this.#left.has(name)) throw new Other();
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }
}

export function line(label: string, kind: Shown["kind"], value: bigint | string): Line {
  return { label, shown: { kind, value } as Shown };
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Other();
  return value as Record<string, unknown>;
}
