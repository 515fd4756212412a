/** What an operator works with. */

import { lazy } from "react";
import { Route, Switch } from "wouter";
import { useAsked } from "../../api/asking";
import { isStaff } from "../../app/roles";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import { Failed } from "../../ui";
import { Area, At } from "../Area";
import type { Told } from "./answers";
import { OPERATOR } from "./places";
import { TEXTS } from "./texts";

const Feeders = lazy(() => import("./Feeders"));
const Feeder = lazy(() => import("./Feeder"));
const Inbox = lazy(() => import("./Inbox"));
const Meters = lazy(() => import("./Meters"));
const Meter = lazy(() => import("./Meter"));
const Customers = lazy(() => import("./Customers"));
const Customer = lazy(() => import("./Customer"));
const Point = lazy(() => import("./Point"));
const Tariffs = lazy(() => import("./Tariffs"));
const TariffPage = lazy(() => import("./Tariff"));
const Vending = lazy(() => import("./Vending"));
const Disputes = lazy(() => import("./Disputes"));
const Runs = lazy(() => import("./Runs"));
const Risk = lazy(() => import("./Risk"));
const Backtest = lazy(() => import("./Backtest"));

export default function OperatorPages() {
  const t = useTexts(TEXTS);
  const person = usePerson();
  const asked = useAsked<{ readonly items: readonly Told[] }>("/notices", {}, { when: isStaff(person.role) });
  const places = [
    { href: OPERATOR, title: t.feeders },
    { href: `${OPERATOR}/inbox`, title: t.inbox, count: isStaff(person.role) ? (asked.data?.items.length ?? 0) : 0 },
    { href: `${OPERATOR}/meters`, title: t.meters },
    { href: `${OPERATOR}/customers`, title: t.customers },
    { href: `${OPERATOR}/tariffs`, title: t.tariffs },
    { href: `${OPERATOR}/vending`, title: t.vending },
    { href: `${OPERATOR}/runs`, title: t.runs },
    { href: `${OPERATOR}/disputes`, title: t.disputes },
    { href: `${OPERATOR}/risk`, title: t.risk },
    { href: `${OPERATOR}/backtest`, title: t.backtest },
  ];
  return (
    <Area label={t.operator} places={places}>
      <Switch>
        <At path={OPERATOR} page={Feeders} />
        <At path={`${OPERATOR}/feeders/:id`} page={Feeder} />
        <At path={`${OPERATOR}/inbox`} page={Inbox} />
        <At path={`${OPERATOR}/meters`} page={Meters} />
        <At path={`${OPERATOR}/meters/:id`} page={Meter} />
        <At path={`${OPERATOR}/customers`} page={Customers} />
        <At path={`${OPERATOR}/customers/:id`} page={Customer} />
        <At path={`${OPERATOR}/points/:id`} page={Point} />
        <At path={`${OPERATOR}/tariffs`} page={Tariffs} />
        <At path={`${OPERATOR}/tariffs/:id`} page={TariffPage} />
        <At path={`${OPERATOR}/vending`} page={Vending} />
        <At path={`${OPERATOR}/runs`} page={Runs} />
        <At path={`${OPERATOR}/disputes`} page={Disputes} />
        <At path={`${OPERATOR}/risk`} page={Risk} />
        <At path={`${OPERATOR}/backtest`} page={Backtest} />
        <Route>
          <Failed error={{ status: 404 }} />
        </Route>
      </Switch>
    </Area>
  );
}
