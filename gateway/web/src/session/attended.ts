// Is somebody at this page? A wallet enters again by itself only where somebody is: a page that was left open does not
// outlive its session.

/** As long as the gateway lets a session rest. */
export const ATTENDED_MS = 15 * 60_000;

/** `look` answers whether anything was touched of late; the page's beginning counts. */
export function attending(target: EventTarget, now: () => number): { look(): boolean; end(): void } {
  let touchedMs = now();
  const touch = () => {
    touchedMs = now();
  };
  const kinds = ["pointerdown", "keydown"] as const;
  for (const kind of kinds) target.addEventListener(kind, touch, { passive: true });
  return {
    look: () => now() - touchedMs < ATTENDED_MS,
    end: () => {
      for (const kind of kinds) target.removeEventListener(kind, touch);
    },
  };
}
