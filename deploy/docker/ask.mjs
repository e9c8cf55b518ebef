// node ask.mjs /readyz: asks the server of this container, for a health check; ends with 0 if it answers 200, otherwise with 1.
const [, , path = "/healthz"] = process.argv;
const answer = await fetch(`http://127.0.0.1:${process.env.TIDINGS_PORT || 8484}${path}`).catch(() => undefined);
process.exitCode = answer?.ok === true ? 0 : 1;
