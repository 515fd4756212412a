/** What an operator works with. */

import { lazy } from "react";
import { Route, Switch } from "wouter";
import { useTexts } from "../../i18n";
import { Failed } from "../../ui";
import { Area } from "../Area";
import { OPERATOR } from "./places";
import { TEXTS } from "./texts";

const Feeders = lazy(() => import("./Feeders"));
const Feeder = lazy(() => import("./Feeder"));
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
  const places = [
    { href: OPERATOR, title: t.feeders },
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
        <Route path={OPERATOR} component={Feeders} />
        <Route path={`${OPERATOR}/feeders/:id`} component={Feeder} />
        <Route path={`${OPERATOR}/meters`} component={Meters} />
        <Route path={`${OPERATOR}/meters/:id`} component={Meter} />
        <Route path={`${OPERATOR}/customers`} component={Customers} />
        <Route path={`${OPERATOR}/customers/:id`} component={Customer} />
        <Route path={`${OPERATOR}/points/:id`} component={Point} />
        <Route path={`${OPERATOR}/tariffs`} component={Tariffs} />
        <Route path={`${OPERATOR}/tariffs/:id`} component={TariffPage} />
        <Route path={`${OPERATOR}/vending`} component={Vending} />
        <Route path={`${OPERATOR}/runs`} component={Runs} />
        <Route path={`${OPERATOR}/disputes`} component={Disputes} />
        <Route path={`${OPERATOR}/risk`} component={Risk} />
        <Route path={`${OPERATOR}/backtest`} component={Backtest} />
        <Route>
          <Failed error={{ status: 404 }} />
        </Route>
      </Switch>
    </Area>
  );
}
