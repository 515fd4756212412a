/** The ledger's pages. */

import { lazy } from "react";
import { Route, Switch } from "wouter";
import { useTexts } from "../../i18n";
import { Failed } from "../../ui";
import { Area } from "../Area";
import { LEDGER } from "./places";
import { TEXTS } from "./texts";

const Explorer = lazy(() => import("./Explorer"));
const Block = lazy(() => import("./Block"));
const Transaction = lazy(() => import("./Transaction"));
const TransactionList = lazy(() => import("./TransactionList"));
const Events = lazy(() => import("./Events"));
const Identities = lazy(() => import("./Identities"));
const Identity = lazy(() => import("./Identity"));
const Contracts = lazy(() => import("./Contracts"));
const Consensus = lazy(() => import("./Consensus"));
const Governance = lazy(() => import("./Governance"));
const Proposal = lazy(() => import("./Proposal"));

export default function LedgerPages() {
  const t = useTexts(TEXTS);
  const places = [
    { href: LEDGER, title: t.overview },
    { href: `${LEDGER}/transactions`, title: t.transactions },
    { href: `${LEDGER}/events`, title: t.events },
    { href: `${LEDGER}/identities`, title: t.identities },
    { href: `${LEDGER}/contracts`, title: t.contracts },
    { href: `${LEDGER}/consensus`, title: t.consensus },
    { href: `${LEDGER}/governance`, title: t.governance },
  ];
  return (
    <Area label={t.explorer} places={places}>
      <Switch>
        <Route path={LEDGER} component={Explorer} />
        <Route path={`${LEDGER}/blocks/:which`} component={Block} />
        <Route path={`${LEDGER}/transactions`} component={TransactionList} />
        <Route path={`${LEDGER}/transactions/:id`} component={Transaction} />
        <Route path={`${LEDGER}/events`} component={Events} />
        <Route path={`${LEDGER}/identities`} component={Identities} />
        <Route path={`${LEDGER}/identities/:id`} component={Identity} />
        <Route path={`${LEDGER}/contracts`} component={Contracts} />
        <Route path={`${LEDGER}/consensus`} component={Consensus} />
        <Route path={`${LEDGER}/governance`} component={Governance} />
        <Route path={`${LEDGER}/governance/:id`} component={Proposal} />
        <Route>
          <Failed error={{ status: 404 }} />
        </Route>
      </Switch>
    </Area>
  );
}
