/** Does the wallet that claims a home know the code of the bill? Compared here: the ledger has a digest of it alone. */

import { useEffect, useState } from "react";
import { useTexts } from "../../i18n";
import { Field } from "../../ui";
import { useAskContract } from "../../wallet/useAskContract";
import { proofOfCode } from "../customer/LinkHome";
import { TEXTS } from "./texts";

/** `registry.claims` */
interface Claim {
  readonly wallet: string;
  readonly code_hash: string;
}

export function ClaimCode({ premises, wallet }: { premises: string; wallet: string }) {
  const t = useTexts(TEXTS);
  const claims = useAskContract<readonly Claim[]>("registry", "claims", { premises }, { path: "/claims" });
  const claimed = claims.data?.find((one) => one.wallet === wallet)?.code_hash;
  const [typed, setTyped] = useState("");
  const [proof, setProof] = useState("");
  useEffect(() => {
    let here = true;
    setProof("");
    if (typed.trim()) void proofOfCode(typed.trim(), wallet).then((found) => here && setProof(found));
    return () => {
      here = false;
    };
  }, [typed, wallet]);
  const known = claimed !== undefined && proof !== "";
  const same = proof === claimed;
  return (
    <div className="max-w-xs">
      <Field
        label={t.claimCode}
        error={known && !same ? t.claimCodeOther : undefined}
        hint={known && same ? t.claimCodeSame : t.claimCodeHint}
        value={typed}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setTyped(event.target.value)}
      />
    </div>
  );
}
