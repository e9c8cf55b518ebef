import { Arrivals } from "../load/arrivals.ts";
import { createMessageIds } from "../load/message.ts";
import { inParallel } from "../load/raw-socket.ts";
import { TidingsSession } from "../load/tidings-session.ts";
import { createPopulation } from "../population.ts";
import { startTidings } from "../tidings-server.ts";
import { type Crowd, sendersMax } from "./crowd.ts";

/** Tidings with one group, of which every member has one session; `syncs` counts what was repaired by asking. */
export async function createTidingsCrowd(
  folder: string,
  size: number,
  nodeFlags: readonly string[] = [],
): Promise<Crowd & { readonly syncs: () => number }> {
  const server = await startTidings(folder, nodeFlags);
  const { users, groups } = await createPopulation(server, { prefix: "fan", users: size, groups: 1, groupsPerUser: 1 });
  const conversation = groups[0] ?? "";
  const arrivals = new Arrivals();
  const sessions = await inParallel({ count: size, parallel: 50 }, (index) =>
    TidingsSession.open({
      port: server.process.port,
      token: users[index]?.token ?? "",
      onEntries: (count) => arrivals.add(count),
      onFailure: (error) => arrivals.fail(error),
    }),
  );
  const nextId = createMessageIds();
  let turn = 0;
  return {
    name: "tidings",
    server: server.process,
    size,
    arrivals,
    send: () => {
      turn = (turn + 1) % Math.min(sendersMax, size);
      sessions[turn]?.send({ conversation, messageId: nextId() });
    },
    syncs: () => sessions.reduce((sum, session) => sum + session.syncs, 0),
    close: async () => {
      for (const session of sessions) session.destroy();
      await server.close();
    },
  };
}
