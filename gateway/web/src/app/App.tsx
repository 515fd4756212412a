/** The whole console: providers around, the frame, and a page for each address. Areas are loaded when one goes there. */

import { QueryClientProvider } from "@tanstack/react-query";
import { type ComponentType, lazy, type ReactNode, Suspense, useState } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";

import { newQueries } from "../api/asking";
import { LiveProvider } from "../api/LiveProvider";
import { LanguageProvider, useTexts } from "../i18n";
import { SessionProvider, useSession } from "../session/SessionProvider";
import { ButtonLink, Empty, Loading, Page, ToastProvider } from "../ui";
import { ConfirmProvider } from "../wallet/ConfirmProvider";
import { Boundary } from "./Boundary";
import { Layout } from "./Layout";
import { LedgerProvider } from "./LedgerProvider";
import { firstPlace } from "./roles";
import { APP } from "./texts";
import { ThemeProvider } from "./theme";

const Enter = lazy(async () => ({ default: (await import("./entry/Enter")).Enter }));
const SignUp = lazy(async () => ({ default: (await import("./entry/SignUp")).SignUp }));
const Recover = lazy(async () => ({ default: (await import("./entry/Recover")).Recover }));
const Home = lazy(async () => ({ default: (await import("../pages/customer/Home")).Home }));
const Tokens = lazy(async () => ({ default: (await import("../pages/customer/Tokens")).Tokens }));
const Share = lazy(async () => ({ default: (await import("../pages/customer/Share")).Share }));
const Wallet = lazy(async () => ({ default: (await import("../pages/customer/Wallet")).Wallet }));
const Consumption = lazy(async () => ({ default: (await import("../pages/customer/Consumption")).Consumption }));
const Bills = lazy(async () => ({ default: (await import("../pages/customer/Bills")).Bills }));
const Bill = lazy(async () => ({ default: (await import("../pages/customer/Bill")).Bill }));
const Market = lazy(async () => ({ default: (await import("../pages/customer/Market")).Market }));

/** Areas with routes of their own: `index.tsx` of each has them as its default. */
const AREAS = import.meta.glob<{ default: ComponentType }>("../pages/{ledger,operator,regulator}/index.tsx");
const areas = Object.entries(AREAS).map(([path, load]) => [path.split("/").at(-2) ?? "", lazy(load)] as const);

export function App() {
  const [queries] = useState(newQueries);
  return (
    <ThemeProvider>
      <LanguageProvider>
        <QueryClientProvider client={queries}>
          <SessionProvider>
            <LedgerProvider>
              <Live>
                <ToastProvider>
                  <ConfirmProvider>
                    <Layout>
                      <Pages />
                    </Layout>
                  </ConfirmProvider>
                </ToastProvider>
              </Live>
            </LedgerProvider>
          </SessionProvider>
        </QueryClientProvider>
      </LanguageProvider>
    </ThemeProvider>
  );
}

function Live({ children }: { children: ReactNode }) {
  const { person, reload } = useSession();
  return (
    <LiveProvider on={Boolean(person)} ended={reload}>
      {children}
    </LiveProvider>
  );
}

function Pages() {
  const { person } = useSession();
  const [location] = useLocation();
  if (person === undefined) return <Loading />;
  return (
    <Boundary at={location}>
      <Suspense fallback={<Loading />}>{person ? <Inside role={person.role} /> : <Outside />}</Suspense>
    </Boundary>
  );
}

function Outside() {
  return (
    <Switch>
      <Route path="/welcome/new" component={SignUp} />
      <Route path="/welcome/recover" component={Recover} />
      <Route component={Enter} />
    </Switch>
  );
}

function Inside({ role }: { role: string }) {
  const first = firstPlace(role);
  return (
    <Switch>
      {first !== "/" && (
        <Route path="/">
          <Redirect to={first} replace />
        </Route>
      )}
      <Route path="/" component={Home} />
      <Route path="/consumption" component={Consumption} />
      <Route path="/tokens" component={Tokens} />
      <Route path="/share" component={Share} />
      <Route path="/bills" component={Bills} />
      <Route path="/bills/:bill" component={Bill} />
      <Route path="/market" component={Market} />
      <Route path="/wallet" component={Wallet} />
      <Route path="/welcome/new" component={SignUp} />
      <Route path="/welcome/recover" component={Recover} />
      {areas.map(([name, Area]) => (
        <Route key={name} path={`/${name}/*?`} component={Area} />
      ))}
      <Route component={NotFound} />
    </Switch>
  );
}

function NotFound() {
  const t = useTexts(APP);
  return (
    <Page title={t.notFound}>
      <Empty title={t.notFound} icon="search" action={<ButtonLink href="/">{t.toHome}</ButtonLink>} />
    </Page>
  );
}
