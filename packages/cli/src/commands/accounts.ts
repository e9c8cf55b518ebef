import { createApi } from "@tidings/client";
import { asTokenId, TidingsError } from "@tidings/protocol";
import { Option } from "commander";
import { declareCommand, parsedOption } from "../command-line.ts";
import type { Context } from "../context.ts";
import { parseDurationS } from "../durations.ts";
import { usageFailure } from "../failure.ts";
import { obtainPassword, readFirstLine } from "../prompt.ts";

const passwordOption = (): Option =>
  new Option(
    "--password <password>",
    "better TIDINGS_PASSWORD, standard input, or typed: a list of processes shows this",
  );

export const accountCommands = [
  declareCommand({
    usage: "signup <name>",
    about: "Make an account and log in.",
    options: [passwordOption(), new Option("--display-name <text>", "how others see you")],
    examples: ["tidings signup alice"],
    run: signUp,
  }),
  declareCommand({
    usage: "login [name]",
    about: "Log in. The login is kept for the next commands.",
    options: [
      passwordOption(),
      new Option("--token <token>", "a token from elsewhere instead of a password; - reads it from standard input"),
      parsedOption("--expires <time>", "how long the login holds, such as 12h or 30d", parseDurationS),
    ],
    examples: ["tidings login alice", "tidings --url https://chat.example.org login --token - < token.txt"],
    run: logIn,
  }),
  declareCommand({
    usage: "logout",
    about: "Revoke the login's token and forget it.",
    examples: ["tidings --as alice logout"],
    run: logOut,
  }),
  declareCommand({
    usage: "whoami",
    about: "The user of the current login.",
    examples: ["tidings whoami --json"],
    run: whoAmI,
  }),
];

type PasswordOptions = { readonly password?: string };

async function signUp(
  context: Context,
  options: PasswordOptions & { readonly displayName?: string },
  name: string,
): Promise<void> {
  const password = await askPassword(context, options, true);
  const { user, token } = await context.publicApi.call("createAccount", {
    body: { name, password, ...(options.displayName === undefined ? {} : { display_name: options.displayName }) },
  });
  await context.logins.save({ user_id: user.user_id, name: user.name, token });
  context.out.line(`Signed up and logged in as ${user.name} at ${context.url}.`);
  context.out.value(user);
}

async function logIn(
  context: Context,
  options: PasswordOptions & { readonly token?: string; readonly expires?: number },
  name: string | undefined,
): Promise<void> {
  const { user, token } = options.token === undefined ? await byPassword() : await byToken(options.token);
  await context.logins.save({ user_id: user.user_id, name: user.name, token });
  context.out.line(`Logged in as ${user.name} at ${context.url}.`);
  context.out.value(user);

  async function byPassword() {
    if (name === undefined) throw usageFailure("Who? tidings login NAME");
    const password = await askPassword(context, options, false);
    return await context.publicApi.call("createToken", {
      body: {
        name,
        password,
        label: "tidings command",
        ...(options.expires === undefined ? {} : { expires_in_s: options.expires }),
      },
    });
  }

  /** A token from elsewhere, for instance of an outside identity provider. */
  async function byToken(given: string) {
    const known = given === "-" ? await readFirstLine(process.stdin) : given;
    if (known === undefined || known === "") throw usageFailure("No token was given.");
    return { user: await createApi({ url: context.url, token: known }).call("me"), token: known };
  }
}

/** Revokes the token and forgets it. A token that the server does not take any more is just forgotten. */
async function logOut(context: Context): Promise<void> {
  const login = await context.login();
  try {
    await (await context.api()).call("revokeToken", { params: { token_id: asTokenId("current") } });
  } catch (error) {
    if (!(error instanceof TidingsError && voidTokenCodes.has(error.code))) throw error;
  }
  await context.logins.forget(login);
  context.out.line(`Logged out${login.name === "" ? "" : ` ${login.name}`} at ${context.url}.`);
  context.out.value({ name: login.name, url: context.url });
}

const voidTokenCodes = new Set(["token-invalid", "token-expired", "token-revoked", "accounts-elsewhere"]);

async function whoAmI(context: Context): Promise<void> {
  const user = await (await context.api()).call("me");
  const display = user.display_name === user.name ? "" : ` (${user.display_name})`;
  context.out.line(`${user.name}${display}, ${user.user_id}, at ${context.url}`);
  context.out.value({ ...user, url: context.url });
}

const askPassword = (context: Context, options: PasswordOptions, twice: boolean): Promise<string> =>
  obtainPassword({ given: options.password, env: context.env, stdin: process.stdin, stderr: process.stderr, twice });
