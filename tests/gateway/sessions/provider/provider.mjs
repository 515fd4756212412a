// An OpenID provider for tests: node provider.mjs PORT REDIRECT_URI. Whoever signs in is in the group of that name.

import { Provider } from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "ledgernode",
      client_secret: "a secret of the tests, of no use elsewhere",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub"], profile: ["name", "groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["of the tests"] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `Somebody of ${id}`, groups: ["everybody", id] }),
  }),
});

provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
