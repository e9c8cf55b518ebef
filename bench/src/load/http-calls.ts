import { Agent, request } from "node:http";

/** Calls of the HTTP API over connections that stay open. One for each server. */
export type HttpCalls = {
  /** The answer's JSON; undefined where it has no body. Rejects with the answer's text unless it is 2xx. */
  readonly call: (
    method: "GET" | "POST",
    path: string,
    options?: { token?: string; body?: unknown },
  ) => Promise<unknown>;
  /** The text of the answer. */
  readonly text: (path: string) => Promise<string>;
  readonly close: () => void;
};

export function createHttpCalls(port: number, connections: number): HttpCalls {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const exchange = (method: string, path: string, options: { token?: string; body?: unknown }): Promise<string> =>
    new Promise((resolve, reject) => {
      const body = options.body === undefined ? undefined : JSON.stringify(options.body);
      const headers = {
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      };
      const outgoing = request({ agent, host: "127.0.0.1", port, method, path, headers }, (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          text += chunk;
        });
        answer.on("error", reject);
        answer.on("end", () => {
          const status = answer.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(text);
          else reject(new Error(`${method} ${path} was answered ${status}: ${text.slice(0, 500)}`));
        });
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  return {
    call: async (method, path, options = {}) => {
      const text = await exchange(method, path, options);
      return text === "" ? undefined : (JSON.parse(text) as unknown);
    },
    text: (path) => exchange("GET", path, {}),
    close: () => agent.destroy(),
  };
}

/** The value of a metric without labels in the text format of Prometheus. Throws if it is not there. */
export function metricValue(metrics: string, name: string): number {
  const match = new RegExp(`^${name}(?:\\{\\})? ([0-9.e+-]+)$`, "m").exec(metrics);
  if (match === null) throw new Error(`The server has no metric ${name}.`);
  return Number(match[1]);
}
