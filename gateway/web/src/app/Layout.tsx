// The frame: where one can go (beside on a desk, below on a phone), how the connection stands, theme and language, and
// above the page whatever holds for all of it.

import { type ReactNode, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Link, useLocation } from "wouter";

import { api } from "../api/client";
import { useLiveState } from "../api/LiveProvider";
import { useFormat } from "../format";
import { LANGUAGES, type Language, useLanguage, useTexts } from "../i18n";
import { useSession } from "../session/SessionProvider";
import { Icon, IconButton, joined, Menu, Offline, SkipLink, Stale } from "../ui";
import { useLedger, useModel } from "./LedgerProvider";
import { type Place, placesOf } from "./roles";
import { APP } from "./texts";
import { type Theme, useTheme } from "./theme";

const BELOW = 4;
/** So many blocks behind is no moment's delay any more. */
const BEHIND = 5;

export function Layout({ children }: { children: ReactNode }) {
  const { person } = useSession();
  const places = person ? placesOf(person.role) : [];
  const content = useRef<HTMLElement>(null);
  const [location] = useLocation();
  const before = useRef(location);
  useEffect(() => {
    if (before.current === location) return;
    before.current = location;
    window.scrollTo(0, 0);
    content.current?.focus({ preventScroll: true });
  }, [location]);
  return (
    <div className="flex min-h-dvh flex-col">
      <SkipLink />
      <Top />
      <div className="mx-auto flex w-full max-w-[88rem] grow">
        {places.length > 0 && <Side places={places} />}
        <main ref={content} id="content" tabIndex={-1} className="min-w-0 grow pb-24 outline-none lg:pb-10">
          <Standing />
          {children}
        </main>
      </div>
      {places.length > 0 && <Below places={places} />}
    </div>
  );
}

function Top() {
  const { name } = useLedger();
  const { person } = useSession();
  return (
    <header className="sticky top-0 z-30 border-b border-line bg-paper/95 backdrop-blur">
      <div className="mx-auto flex h-14 max-w-[88rem] items-center gap-3 px-4 sm:px-6">
        <Link href="/" className="flex min-w-0 items-center gap-2 font-semibold">
          <span className="grid size-8 shrink-0 place-items-center rounded-lg bg-accent text-on-accent">
            <Icon name="energy" className="size-4.5" />
          </span>
          <span className="truncate">{name}</span>
        </Link>
        <span className="grow" />
        {person && <LiveSign />}
        <Settings />
      </div>
    </header>
  );
}

function LiveSign() {
  const t = useTexts(APP);
  const format = useFormat();
  const model = useModel();
  const state = useLiveState();
  const live = state === "live";
  if (state === "off" && !model) return null;
  return (
    <span className="flex items-center gap-2 text-sm text-ink-soft">
      <span
        aria-hidden="true"
        className={joined("size-2 rounded-full", live ? "bg-good motion-safe:animate-pulse" : "bg-line-strong")}
      />
      <span className={live ? "max-sm:sr-only" : ""}>
        {live ? t.live : state === "broken" || state === "connecting" ? t.liveBroken : ""}
      </span>
      {model && <span className="tabular-nums max-sm:hidden">{t.block(format.number(model.height))}</span>}
    </span>
  );
}

function Settings() {
  const t = useTexts(APP);
  const { theme, choose } = useTheme();
  const { language, choose: speak } = useLanguage();
  const { person, leave } = useSession();
  const themes: readonly Theme[] = ["system", "light", "dark"];
  const signs = { system: "menu", light: "sun", dark: "moon" } as const;
  return (
    <Menu
      trigger={<IconButton icon="menu" label={t.settings} />}
      groups={[
        themes.map((one) => ({
          text: t.themes[one],
          icon: signs[one],
          chosen: theme === one,
          onSelect: () => choose(one),
        })),
        (Object.keys(LANGUAGES) as Language[]).map((one) => ({
          text: LANGUAGES[one],
          chosen: language === one,
          onSelect: () => speak(one),
        })),
        ...(person ? [[{ text: t.signOut, onSelect: () => void leave() }]] : []),
      ]}
    />
  );
}

function isAt(location: string, href: string): boolean {
  return href === "/" ? location === "/" : location === href || location.startsWith(`${href}/`);
}

function Side({ places }: { places: readonly Place[] }) {
  const t = useTexts(APP);
  const [location] = useLocation();
  return (
    <nav aria-label={t.navigation} className="sticky top-14 hidden h-[calc(100dvh-3.5rem)] w-56 shrink-0 p-4 lg:block">
      <ul className="grid gap-1">
        {places.map(({ page, href, icon }) => (
          <li key={page}>
            <Link
              href={href}
              aria-current={isAt(location, href) ? "page" : undefined}
              className={joined(
                "flex min-h-11 items-center gap-3 rounded-lg px-3 transition-colors",
                isAt(location, href)
                  ? "bg-accent-soft font-medium text-accent"
                  : "text-ink-soft hover:bg-sunken hover:text-ink",
              )}
            >
              <Icon name={icon} />
              {t.pages[page]}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** On a phone: four places below the thumb, the others behind "more". */
function Below({ places }: { places: readonly Place[] }) {
  const t = useTexts(APP);
  const [location, go] = useLocation();
  const [shown, rest] =
    places.length > BELOW + 1 ? [places.slice(0, BELOW), places.slice(BELOW)] : [places, [] as readonly Place[]];
  const item = (here: boolean) =>
    joined(
      "flex min-h-14 w-full flex-col items-center justify-center gap-0.5 rounded-lg text-xs",
      here ? "font-medium text-accent" : "text-ink-soft",
    );
  return (
    <nav
      aria-label={t.navigation}
      className="fixed inset-x-0 bottom-0 z-30 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] lg:hidden"
    >
      <ul className="mx-auto flex max-w-xl *:min-w-0 *:flex-1">
        {shown.map(({ page, href, icon }) => (
          <li key={page}>
            <Link
              href={href}
              aria-current={isAt(location, href) ? "page" : undefined}
              className={item(isAt(location, href))}
            >
              <Icon name={icon} />
              <span className="max-w-full truncate px-0.5">{t.pages[page]}</span>
            </Link>
          </li>
        ))}
        {rest.length > 0 && (
          <li>
            <Menu
              trigger={
                <button type="button" className={item(rest.some(({ href }) => isAt(location, href)))}>
                  <Icon name="menu" />
                  {t.more}
                </button>
              }
              groups={[rest.map(({ page, href, icon }) => ({ text: t.pages[page], icon, onSelect: () => go(href) }))]}
            />
          </li>
        )}
      </ul>
    </nav>
  );
}

/** Offline, behind, away: said once, above whatever page it is. */
function Standing() {
  const format = useFormat();
  const model = useModel();
  const online = useOnline();
  const health = useSyncExternalStore(api.watch, api.health);
  const away = model !== null && !["following", "catching up", "starting", ""].includes(model.state);
  const behind = model !== null && (model.behind > BEHIND || away);
  const notice =
    !online || health.reached === "no" ? (
      <Offline />
    ) : behind ? (
      <Stale ago={model.time_ms > 0 ? format.since(model.time_ms, api.now()) : null} />
    ) : null;
  return notice && <div className="mx-auto max-w-6xl px-4 pt-4 sm:px-6">{notice}</div>;
}

function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    window.addEventListener("online", look);
    window.addEventListener("offline", look);
    return () => {
      window.removeEventListener("online", look);
      window.removeEventListener("offline", look);
    };
  }, []);
  return online;
}
