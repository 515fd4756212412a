/** What may be wider than its place: it scrolls there, and where it does the keyboard reaches it. */

import { type ReactNode, useEffect, useRef, useState } from "react";

export function Scrolling({ named, children }: { named: string; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const here = place.current;
    if (!here || typeof ResizeObserver === "undefined") return;
    const look = () => setScrolls(here.scrollWidth > here.clientWidth);
    const observer = new ResizeObserver(look);
    observer.observe(here);
    if (here.firstElementChild) observer.observe(here.firstElementChild);
    look();
    return () => observer.disconnect();
  }, []);
  const reached = scrolls ? { role: "group", "aria-label": named, tabIndex: 0 } : {};
  return (
    <div ref={place} className="overflow-x-auto" {...reached}>
      {children}
    </div>
  );
}
