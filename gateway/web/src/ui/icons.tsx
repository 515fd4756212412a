/** The console's few signs, drawn in one stroke. They decorate: what they mean stands beside them in words. */

const PATHS = {
  alert:
    "M12 8v5m0 3.2v.1M10.4 4.2 2.9 17.4A1.9 1.9 0 0 0 4.5 20h15a1.9 1.9 0 0 0 1.6-2.6L13.6 4.2a1.9 1.9 0 0 0-3.2 0Z",
  bill: "M6 3h12v18l-3-2-3 2-3-2-3 2V3Zm3 5h6m-6 4h6",
  block: "m12 3 8 4.5v9L12 21l-8-4.5v-9L12 3Zm0 9 8-4.5M12 12v9m0-9L4 7.5",
  check: "m5 12.5 4.5 4.5L19 7.5",
  chevron: "m9 6 6 6-6 6",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h11v11H9V9Zm-4 6H4V4h11v1",
  down: "m6 9 6 6 6-6",
  energy: "M13 3 5 13.5h6L10 21l8-10.5h-6L13 3Z",
  home: "M4 11.5 12 4l8 7.5M6 10v10h12V10",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.2-1.2",
  market: "M4 20V10m5.3 10V4m5.4 16v-7M20 20V8",
  menu: "M4 7h16M4 12h16M4 17h16",
  moon: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5Z",
  offline: "M3 3l18 18M5 12.5a10 10 0 0 1 4-2.4m4.5-.3a10 10 0 0 1 5.5 2.7M8.5 16a5 5 0 0 1 5.6-.9M12 19.6v.1",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14Zm5 12 4.5 4.5",
  share: "M12 15V3m0 0L8 7m4-4 4 4M5 12v8h14v-8",
  shield: "M12 3 5 6v5.5c0 4.3 2.9 7.8 7 9.5 4.1-1.7 7-5.2 7-9.5V6l-7-3Zm-3 9 2.2 2.2L15.5 10",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8Zm0-5v1.5m0 15V21M3 12h1.5m15 0H21M5.6 5.6l1.1 1.1m10.6 10.6 1.1 1.1m0-12.8-1.1 1.1M6.7 17.3l-1.1 1.1",
  time: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16Zm0 4v4.5l3 1.8",
  token:
    "M3 8a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2v2a2 2 0 0 0 0 4v2a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-2a2 2 0 0 0 0-4V8Zm11-2v12",
  transformer: "M9 6a3 3 0 0 1 0 6 3 3 0 0 1 0 6m6-12a3 3 0 0 0 0 6 3 3 0 0 0 0 6M3 6h6m-6 12h6m6-12h6m-6 12h6",
  wallet: "M4 7a2 2 0 0 1 2-2h11v4M4 7v10a2 2 0 0 0 2 2h14V9H6a2 2 0 0 1-2-2Zm12.5 7v.1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, className = "size-5" }: { name: IconName; className?: string }) {
  return (
    <svg
      aria-hidden="true"
      className={`shrink-0 ${className}`}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
