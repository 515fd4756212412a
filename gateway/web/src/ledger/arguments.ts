// A call's arguments: JSON with one meaning for every reader. Money and energy are whole numbers, larger ones are text.

export type Value = null | boolean | number | string | readonly Value[] | { readonly [name: string]: Value };
export type Arguments = { readonly [name: string]: Value };

export class ArgumentsInvalid extends Error {
  readonly code = "ARGUMENTS_INVALID";
}

/** The text that is signed. Refuses what the ledger would refuse, before anybody signs it. */
export function encodeArguments(values: Arguments): string {
  check(values, "the arguments");
  return JSON.stringify(values);
}

function check(value: Value, where: string): void {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      throw new ArgumentsInvalid(
        `${where}: ${value} is no whole number that every reader reads alike; send it as text`,
      );
    }
  } else if (typeof value === "string") {
    if (!value.isWellFormed()) throw new ArgumentsInvalid(`${where}: half of a character stands alone`);
  } else if (Array.isArray(value)) {
    value.forEach((one, at) => {
      check(one, `${where}[${at}]`);
    });
  } else if (value !== null && typeof value === "object") {
    for (const [name, one] of Object.entries(value)) {
      check(name, `a name in ${where}`);
      check(one, `${where}.${name}`);
    }
  } else if (value !== null && typeof value !== "boolean") {
    throw new ArgumentsInvalid(`${where}: ${typeof value} cannot be sent`);
  }
}
