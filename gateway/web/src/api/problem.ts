// A refusal, or no answer at all: what a page tells a person, and what a program asks for by its code.

/** RFC 9457, with the ledger's stable code (docs/errors.md); a contract's own is `<contract>.<CODE>`. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly request_id?: string;
  readonly retry_ms?: number;
}

/** The gateway, or the ledger behind it, said no. */
export class Refused extends Error {
  readonly code: string;
  readonly status: number;
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
    this.code = problem.code;
    this.status = problem.status;
  }
}

/** Nobody answered: no network, or no gateway. */
export class Unreachable extends Error {
  readonly code = "UNREACHABLE";
}

export async function refusalOf(response: Response): Promise<Refused> {
  const base = { status: response.status, code: `HTTP_${response.status}`, title: response.statusText, detail: "" };
  const kind = response.headers.get("content-type") ?? "";
  if (!kind.startsWith("application/problem+json")) return new Refused(base);
  try {
    return new Refused({ ...base, ...((await response.json()) as Partial<Problem>) });
  } catch {
    return new Refused(base);
  }
}

/** Is it worth asking again, without anybody changing anything? */
export function mayPass(error: unknown): boolean {
  return error instanceof Unreachable || (error instanceof Refused && (error.status >= 500 || error.status === 429));
}

export const isSignedOut = (error: unknown): boolean => error instanceof Refused && error.status === 401;
