import { type RefObject, useLayoutEffect, useRef, useState } from "react";

/** How wide an element is, as it changes: drawings in SVG are laid out in real pixels, so that their text is legible. */
export function useWidth<E extends Element>(first = 320): [RefObject<E | null>, number] {
  const element = useRef<E>(null);
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    const seen = element.current;
    if (!seen) return;
    const measured = new ResizeObserver(() => setWidth(Math.max(1, Math.floor(seen.clientWidth))));
    setWidth(Math.max(1, Math.floor(seen.clientWidth)));
    measured.observe(seen);
    return () => measured.disconnect();
  }, []);
  return [element, width];
}
