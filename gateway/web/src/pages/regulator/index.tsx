/** What a regulator looks at. */

import { lazy } from "react";
import { Route, Switch } from "wouter";
import { useTexts } from "../../i18n";
import { Failed } from "../../ui";
import { Area, At } from "../Area";
import { TEXTS } from "./texts";

const Audit = lazy(() => import("./Audit"));
const Exports = lazy(() => import("./Exports"));
const REGULATOR = "/regulator";

export default function RegulatorPages() {
  const t = useTexts(TEXTS);
  const places = [
    { href: REGULATOR, title: t.audit },
    { href: `${REGULATOR}/exports`, title: t.exports },
  ];
  return (
    <Area label={t.regulator} places={places}>
      <Switch>
        <At path={REGULATOR} page={Audit} />
        <At path={`${REGULATOR}/exports`} page={Exports} />
        <Route>
          <Failed error={{ status: 404 }} />
        </Route>
      </Switch>
    </Area>
  );
}
