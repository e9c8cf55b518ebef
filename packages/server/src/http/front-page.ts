import { createHash } from "node:crypto";
import { protocolVersion, subprotocol } from "@tidings/protocol";
import type { FastifyInstance } from "fastify";

/** `GET /`: what runs here, and how to begin. One page, nothing from elsewhere, no script. */
export function addFrontPage(app: FastifyInstance): void {
  app.get("/", async (_request, reply) =>
    reply
      .header("content-type", "text/html; charset=utf-8")
      .header("content-security-policy", contentSecurityPolicy)
      .header("referrer-policy", "no-referrer")
      .send(page),
  );
}

const style = `
:root {
  color-scheme: light dark;
  --ink: light-dark(#1d2129, #e6e4df); --soft: light-dark(#5c6470, #a09c93); --paper: light-dark(#fbfaf7, #16181c);
  --line: light-dark(#e2dfd7, #2c3038); --code: light-dark(#f2f0ea, #1e2127); --accent: light-dark(#a4442e, #e8947c);
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.65 Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, serif;
}
main { max-width: 40rem; margin: 0 auto; padding: clamp(2rem, 8vh, 6rem) 1.5rem 4rem; }
h1 { margin: 0; font-size: clamp(2.25rem, 7vw, 3.25rem); font-weight: 600; line-height: 1.1; letter-spacing: -0.02em; }
h1::after { content: ""; display: block; width: 3rem; height: 3px; margin: 1.25rem 0 1.5rem; background: var(--accent); }
h2 { margin: 2.75rem 0 0.5rem; font-size: 1.25rem; font-weight: 600; }
p { margin: 0 0 1rem; text-wrap: pretty; }
.lead { font-size: 1.25rem; line-height: 1.5; }
.soft { color: var(--soft); }
pre, code { font: 0.875rem/1.7 ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace; }
pre { margin: 1rem 0; padding: 1rem 1.25rem; overflow-x: auto; background: var(--code); border: 1px solid var(--line); border-radius: 6px; }
:not(pre) > code { padding: 0.1em 0.35em; background: var(--code); border-radius: 4px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.35rem 1.5rem; margin: 1rem 0; }
dd { margin: 0; color: var(--soft); }
a { color: var(--accent); text-underline-offset: 0.2em; text-decoration-thickness: 1px; }
@media (max-width: 32rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.75rem; } }
`;

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tidings</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Tidings</h1>
<p class="lead">A Tidings server runs here: people and programs send and receive messages, one to one and in groups. What it has
acknowledged is never lost, doubled or out of order.</p>

<h2>Begin</h2>
<p>In a clone of the repository: two people, a group, a message.</p>
<pre><code>npx tidings signup bob
npx tidings signup alice
npx tidings create garden
npx tidings --as bob join garden
npx tidings send garden "The tomatoes are ripe, @bob"
npx tidings --as bob tail garden --since 0</code></pre>
<p class="soft">Where sign-up is closed, ask whoever runs this server for an account.</p>

<h2>Programs</h2>
<dl>
<dt><a href="/v1/openapi.json">/${protocolVersion}/openapi.json</a></dt><dd>every HTTP operation</dd>
<dt><code>/${protocolVersion}/socket</code></dt><dd>the WebSocket, subprotocol <code>${subprotocol}</code></dd>
<dt><code>/${protocolVersion}/sync</code></dt><dd>the same by polling, long or short</dd>
<dt><a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a></dt><dd>does it run, can it serve</dd>
</dl>
<p class="soft">A client can be written from <code>docs/protocol.md</code> alone.</p>
</main>
</body>
</html>
`;

const hashOf = (text: string): string => createHash("sha256").update(text).digest("base64");

const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${hashOf(style)}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
