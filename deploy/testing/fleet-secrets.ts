/** What stands where the samples say that secrets stand, and only there: reading any other file is an error. */
export function readSampleSecret(file: string): string {
  const name = file.split("/").at(-1) ?? "";
  const secret = secrets.get(name);
  if (secret === undefined) throw new Error(`${file} is not one of the secrets.`);
  return secret;
}

const secrets = new Map([
  ["database-url", "postgres://tidings:secret@postgres:5432/tidings\n"],
  ["nats-user", "tidings\n"],
  ["nats-password", "secret\n"],
  ["nats.creds", "-----BEGIN NATS USER JWT-----\n"],
]);
