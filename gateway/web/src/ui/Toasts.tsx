/** What just happened, said once and read out: `const say = useToast(); say({ title: "Sent" })`. */

import * as Radix from "@radix-ui/react-toast";
import { createContext, type ReactNode, useCallback, useContext, useState } from "react";
import { COMMON, useTexts } from "../i18n";
import { Icon } from "./icons";
import { joined } from "./joined";

export interface Toast {
  readonly title: string;
  readonly text?: string;
  readonly tone?: "good" | "bad";
}

const Context = createContext<(toast: Toast) => void>(() => undefined);
const AT_ONCE = 3;
let made = 0;

export function useToast(): (toast: Toast) => void {
  return useContext(Context);
}

export function ToastProvider({ children }: { children: ReactNode }) {
  const t = useTexts(COMMON);
  const [shown, setShown] = useState<readonly (Toast & { id: number })[]>([]);
  const say = useCallback((toast: Toast) => {
    made += 1;
    const id = made;
    setShown((before) => [...before.slice(1 - AT_ONCE), { ...toast, id }]);
  }, []);
  return (
    <Context value={say}>
      <Radix.Provider swipeDirection="right" duration={6_000}>
        {children}
        {shown.map((toast) => (
          <Radix.Root
            key={toast.id}
            type={toast.tone === "bad" ? "foreground" : "background"}
            onOpenChange={(open) => open || setShown((before) => before.filter((one) => one.id !== toast.id))}
            className="animate-appear flex items-start gap-3 rounded-xl border border-line bg-surface p-4 shadow-lift"
          >
            <span className={joined("mt-0.5", toast.tone === "bad" ? "text-bad" : "text-good")}>
              <Icon name={toast.tone === "bad" ? "alert" : "check"} />
            </span>
            <div className="min-w-0 grow">
              <Radix.Title className="font-medium">{toast.title}</Radix.Title>
              {toast.text && (
                <Radix.Description className="mt-0.5 text-sm text-ink-soft">{toast.text}</Radix.Description>
              )}
            </div>
            <Radix.Close aria-label={t.close} className="-m-1 rounded p-1 text-ink-soft hover:text-ink">
              <Icon name="close" className="size-4" />
            </Radix.Close>
          </Radix.Root>
        ))}
        <Radix.Viewport className="fixed end-0 bottom-0 z-50 m-0 flex w-full max-w-sm list-none flex-col gap-2 p-4 outline-none" />
      </Radix.Provider>
    </Context>
  );
}
