/** To bid below an offer's price, or to take a part of what is posted. */

import { type FormEvent, useId, useState } from "react";

import type { OpenRow } from "../../../api/rows";
import { useFormat } from "../../../format";
import { useTexts } from "../../../i18n";
import { Button, Dialog, Field } from "../../../ui";
import { CUSTOMER } from "../texts";
import { readPrice, readWh } from "./PlaceOrder";
import { type Terms, termsOf } from "./terms";

interface OwnTermsProps {
  readonly row: OpenRow;
  onClose(): void;
  onTerms(terms: Terms): void;
}

export function OwnTerms({ row, onClose, onTerms }: OwnTermsProps) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const form = useId();
  const [typedEnergy, setTypedEnergy] = useState("");
  const [typedPrice, setTypedPrice] = useState("");
  const [looked, setLooked] = useState(false);
  const offered = row.side === "ask";
  const energy = typedEnergy === "" ? "" : readWh(typedEnergy);
  const price = typedPrice === "" ? "" : readPrice(typedPrice);
  const energyRight = termsOf(row, energy, "") !== null;
  const priceRight = termsOf(row, "", price) !== null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setLooked(true);
    const terms = termsOf(row, energy, price);
    if (terms) onTerms(terms);
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => open || onClose()}
      title={offered ? t.haggleTitle : t.deliverPartTitle}
      lead={offered ? t.haggleLead : t.deliverPartLead}
      actions={
        <Button type="submit" form={form} look="primary">
          {t.go}
        </Button>
      }
    >
      <form id={form} className="grid gap-4" onSubmit={submit} noValidate>
        {offered && (
          <Field
            label={t.price}
            hint={t.priceEmpty(format.price(row.price_micro))}
            unit={format.ground.currency}
            inputMode="decimal"
            autoComplete="off"
            value={typedPrice}
            error={looked && !priceRight ? t.priceNotAbove(format.price(row.price_micro)) : undefined}
            onChange={(event) => setTypedPrice(event.target.value)}
          />
        )}
        <Field
          label={t.energy}
          hint={t.energyEmpty(format.energyWh(row.energy_wh))}
          unit="kWh"
          inputMode="decimal"
          autoComplete="off"
          value={typedEnergy}
          error={looked && !energyRight ? t.energyNotAbove(format.energyWh(row.energy_wh)) : undefined}
          onChange={(event) => setTypedEnergy(event.target.value)}
        />
      </form>
    </Dialog>
  );
}
