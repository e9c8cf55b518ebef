import { type PostgresServer, startPostgres, whyNoPostgres } from "@tidings/cluster/servers/postgres-server.ts";
import { afterAll, beforeAll, test } from "vitest";

/**
 * Runs `register` with a way to the server of this test file. Where there can be no PostgreSQL, one line says so instead.
 */
export async function withPostgres(register: (server: () => PostgresServer) => void): Promise<void> {
  const reason = await whyNoPostgres();
  if (reason !== undefined) {
    test(`NOT TESTED, the PostgreSQL engine: ${reason}`, ({ skip }) => skip());
    return;
  }
  let server: PostgresServer | undefined;
  beforeAll(async () => {
    server = await startPostgres({
      inMemory: true,
      settings: { max_replication_slots: "50", max_wal_senders: "50", max_connections: "200" },
    });
  });
  afterAll(() => server?.stop());
  register(() => {
    if (server === undefined) throw new Error("The server is started before the first test.");
    return server;
  });
}
