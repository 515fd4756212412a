// Light, dark, or as the system has it. Set on <html>, for the styles; remembered here.

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";

export type Theme = "system" | "light" | "dark";

const KEPT = "theme";
const DARK = "(prefers-color-scheme: dark)";

interface Themed {
  readonly theme: Theme;
  choose(theme: Theme): void;
}

const Context = createContext<Themed>({ theme: "system", choose: () => undefined });

function remembered(): Theme {
  const kept = localStorage.getItem(KEPT);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function ThemeProvider({ children }: { children: ReactNode }) {
  const [theme, setTheme] = useState(remembered);
  useEffect(() => {
    const system = matchMedia(DARK);
    const apply = () => {
      document.documentElement.dataset.theme = theme === "system" ? (system.matches ? "dark" : "light") : theme;
    };
    apply();
    system.addEventListener("change", apply);
    return () => system.removeEventListener("change", apply);
  }, [theme]);
  const value = useMemo<Themed>(
    () => ({
      theme,
      choose(next) {
        if (next === "system") localStorage.removeItem(KEPT);
        else localStorage.setItem(KEPT, next);
        setTheme(next);
      },
    }),
    [theme],
  );
  return <Context value={value}>{children}</Context>;
}

export const useTheme = (): Themed => useContext(Context);
