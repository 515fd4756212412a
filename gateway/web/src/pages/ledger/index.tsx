/** The ledger's pages. */

import { lazy } from "react";
import { Route, Switch } from "wouter";
import { useTexts } from "../../i18n";
import { Failed } from "../../ui";
import { Area, At } from "../Area";
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
        <At path={LEDGER} page={Explorer} />
        <At path={`${LEDGER}/blocks/:which`} page={Block} />
        <At path={`${LEDGER}/transactions`} page={TransactionList} />
        <At path={`${LEDGER}/transactions/:id`} page={Transaction} />
        <At path={`${LEDGER}/events`} page={Events} />
        <At path={`${LEDGER}/identities`} page={Identities} />
        <At path={`${LEDGER}/identities/:id`} page={Identity} />
        <At path={`${LEDGER}/contracts`} page={Contracts} />
        <At path={`${LEDGER}/consensus`} page={Consensus} />
        <At path={`${LEDGER}/governance`} page={Governance} />
        <At path={`${LEDGER}/governance/:id`} page={Proposal} />
        <Route>
          <Failed error={{ status: 404 }} />
        </Route>
      </Switch>
    </Area>
  );
}
