/** Pages that belong together: the way between them above, the page below, loaded when it is first looked at. */

import { type ComponentType, type ReactNode, Suspense } from "react";
import { Link, Route, useLocation } from "wouter";
import { joined, Loading } from "../ui";

export interface Place {
  readonly href: string;
  readonly title: string;
  /** How much waits there */
  readonly count?: number;
}

interface AreaProps {
  readonly label: string;
  readonly places: readonly Place[];
  readonly children: ReactNode;
}

/** On a phone the way is wider than the screen: where one is must be seen. */
function seen(place: HTMLLIElement | null): void {
  const row = place?.parentElement;
  if (place && row) row.scrollLeft = place.offsetLeft - (row.clientWidth - place.clientWidth) / 2;
}

export function Area({ label, places, children }: AreaProps) {
  const [location] = useLocation();
  const here = places.filter(({ href }) => location === href || location.startsWith(`${href}/`));
  const current = here.reduce<Place | undefined>(
    (best, one) => (best && best.href.length >= one.href.length ? best : one),
    undefined,
  );
  return (
    <>
      <nav aria-label={label} className="border-b border-line">
        <ul className="mx-auto relative flex max-w-6xl gap-1 overflow-x-auto px-2 [scrollbar-width:none] sm:px-4">
          {places.map((place) => (
            <li key={place.href} ref={place === current ? seen : undefined}>
              <Link
                href={place.href}
                aria-current={place === current ? "page" : undefined}
                className={joined(
                  "flex min-h-11 items-center border-b-2 px-2.5 whitespace-nowrap",
                  place === current
                    ? "border-accent font-medium text-ink"
                    : "border-transparent text-ink-soft hover:text-ink",
                )}
              >
                {place.title}
                {Boolean(place.count) && (
                  <span className="ms-1.5 rounded-full bg-warn-soft px-2 py-0.5 text-sm font-medium text-warn">
                    {place.count}
                  </span>
                )}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <Suspense fallback={<Loading lines={8} />}>{children}</Suspense>
    </>
  );
}

interface AtProps {
  readonly path: string;
  readonly page: ComponentType<{ readonly params: never }>;
}

/** A page at its address. Ids hold colons, which the router leaves as they were written: here they are read. */
export function At({ page, ...place }: AtProps) {
  const Shown = page as ComponentType<{ readonly params: Readonly<Record<string, string>> }>;
  return (
    <Route {...place}>
      {(params) => {
        const read: Record<string, string> = {};
        for (const [name, text] of Object.entries(params)) if (text !== undefined) read[name] = readable(`${text}`);
        return <Shown params={read} />;
      }}
    </Route>
  );
}

function readable(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
