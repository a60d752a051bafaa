// An OpenID Connect provider for the tests: whoever logs in as `x` is the account `x` with the address of that name.
// node server.mjs PORT REDIRECT_URI
import { Provider } from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const client = (id, more) => ({
  client_id: id,
  redirect_uris: [redirectUri],
  grant_types: ["authorization_code"],
  response_types: ["code"],
  ...more,
});

const provider = new Provider(issuer, {
  clients: [
    client("ketbase", { client_secret: "a-client-secret" }),
    client("ketbase-public", { token_endpoint_auth_method: "none" }),
    client("somebody-else", { client_secret: "another-secret" }),
  ],
  pkce: { required: () => true },
  scopes: ["openid", "email", "profile"],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  cookies: { keys: ["a key for the tests"] },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: id,
      email: `${id.replace(/^(second|unverified)-/, "")}@example.com`,
      email_verified: !id.startsWith("unverified-"),
    }),
  }),
});

provider.listen(Number(port), "127.0.0.1");
