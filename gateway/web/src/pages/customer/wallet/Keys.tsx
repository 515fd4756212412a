/** Keys kept in this browser: use another, forget one, change one, leave. */

import { type FormEvent, useEffect, useState } from "react";

import { api } from "../../../api/client";
import { useTexts } from "../../../i18n";
import { concat, fromHex, tag, toHex } from "../../../ledger/bytes";
import { sign } from "../../../ledger/keys";
import { requestFor } from "../../../ledger/request";
import { useSession } from "../../../session/SessionProvider";
import { Badge, Button, ButtonLink, Card, Dialog, Hash, Notice, TextField } from "../../../ui";
import { useConfirm } from "../../../wallet/ConfirmProvider";
import type { WalletKey } from "../../../wallet/phrase";
import { type Account, forget, keep } from "../../../wallet/vault";
import { CUSTOMER } from "../texts";

export function Keys() {
  const t = useTexts(CUSTOMER).wallet;
  const { kept, account, enterAs, reload, leave } = useSession();
  const [forgetting, setForgetting] = useState<Account | null>(null);
  const [error, setError] = useState("");
  const use = async (wanted: Account) => {
    setError("");
    await enterAs(wanted).catch((refused: unknown) => setError(refused instanceof Error ? refused.message : ""));
  };
  return (
    <>
      <Card title={t.accounts}>
        <ul className="grid gap-3">
          {kept.map((one) => (
            <li
              key={one.identity}
              className="flex flex-wrap items-center justify-between gap-3 rounded-lg border border-line p-3"
            >
              <div className="min-w-0">
                <p className="font-medium">
                  {one.name} {one.identity === account?.identity && <Badge tone="good">{t.here}</Badge>}
                </p>
                <Hash value={one.identity} />
              </div>
              <div className="flex flex-wrap gap-2">
                {one.identity !== account?.identity && <Button onClick={() => void use(one)}>{t.use}</Button>}
                <Button look="plain" onClick={() => setForgetting(one)}>
                  {t.forget}
                </Button>
              </div>
            </li>
          ))}
        </ul>
        {error && (
          <p role="alert" className="mt-3 text-sm text-bad">
            {error}
          </p>
        )}
        <div className="mt-4 flex flex-wrap gap-2">
          <ButtonLink href="/welcome/new">{t.add}</ButtonLink>
          <ButtonLink href="/welcome/recover">{t.recover}</ButtonLink>
        </div>
      </Card>
      {account && <Rotate account={account} />}
      <Card title={t.keys}>
        <div className="flex flex-wrap gap-2">
          <Button onClick={() => void leave()}>{t.signOut}</Button>
          <Button onClick={() => void leave(true)}>{t.everywhere}</Button>
        </div>
      </Card>
      <Dialog
        open={forgetting !== null}
        onOpenChange={(open) => open || setForgetting(null)}
        title={t.forget}
        lead={forgetting?.name}
        actions={
          <Button
            look="danger"
            onClick={async () => {
              if (!forgetting) return;
              const here = forgetting.identity === account?.identity;
              await forget(forgetting.identity);
              setForgetting(null);
              if (here) await leave();
              await reload();
            }}
          >
            {t.forgetGo}
          </Button>
        }
      >
        <p>{t.forgetText}</p>
      </Dialog>
    </>
  );
}

/** A new key for the same account: the utility certifies it, the old key signs the change, the new one shows it is held. */
function Rotate({ account }: { account: Account }) {
  const t = useTexts(CUSTOMER).wallet;
  const { person, enterAs } = useSession();
  const confirm = useConfirm();
  const [phrase, setPhrase] = useState("");
  const [key, setKey] = useState<WalletKey | null>(null);
  const [request, setRequest] = useState("");
  const [certificate, setCertificate] = useState("");
  const [wrong, setWrong] = useState(false);
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!key || !person) return;
    const name = `customer-${account.identity.slice(0, 8)}`;
    const applicant = { organisation: person.organisation, role: person.role, name };
    void requestFor(key.privateKey, key.publicKey, applicant).then(setRequest);
  }, [key, person, account]);
  const begin = async () => {
    const { newPhrase, keyFromPhrase } = await import("../../../wallet/phrase");
    const words = newPhrase();
    setPhrase(words);
    setKey(await keyFromPhrase(words));
    setDone(false);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const pem = `${certificate.trim()}\n`;
    setWrong(!pem.startsWith("-----BEGIN CERTIFICATE-----"));
    if (!key || !pem.startsWith("-----BEGIN CERTIFICATE-----")) return;
    const proof = await sign(key.privateKey, concat(tag("rotation"), fromHex(account.identity), key.publicKey));
    const outcome = await confirm({
      contract: "identity",
      function: "rotate",
      arguments: { certificate: pem, proof: toHex(proof) },
    });
    if (outcome?.code !== "OK") return;
    const kept = await keep(key, account.name, api.now(), account.identity);
    setKey(null);
    setRequest("");
    setCertificate("");
    setDone(true);
    await enterAs(kept);
  };
  return (
    <Card title={t.rotate} lead={t.rotateLead}>
      {done && <Notice tone="good" icon="check" title={t.rotated} />}
      {phrase ? (
        <div className="grid gap-4">
          <p className="rounded-lg bg-sunken p-4 font-mono leading-8">{phrase}</p>
          <Button look="primary" onClick={() => setPhrase("")}>
            {t.rotateWritten}
          </Button>
        </div>
      ) : key ? (
        <form className="grid gap-4" onSubmit={submit} noValidate>
          <TextField label={t.rotateRequest} value={request} readOnly rows={5} className="font-mono text-xs" />
          <TextField
            label={t.rotateCertificate}
            error={wrong ? t.rotateCertificateWrong : undefined}
            value={certificate}
            rows={5}
            className="font-mono text-xs"
            spellCheck={false}
            onChange={(event) => setCertificate(event.target.value)}
          />
          <Button type="submit" look="primary">
            {t.rotateGo}
          </Button>
        </form>
      ) : (
        !done && <Button onClick={() => void begin()}>{t.rotate}</Button>
      )}
    </Card>
  );
}
