import { createManualClock } from "@tidings/core";
import { createMemoryLinks } from "@tidings/engine-memory";
import { asMachineId, asUserId, TidingsError } from "@tidings/protocol";
import { pino } from "pino";
import { expect, it } from "vitest";
import { ConnectionRows } from "./connection-rows.ts";

it("keeps the row of who is here, though an earlier adding of it fails after long", async () => {
  const clock = createManualClock();
  const directory = createMemoryLinks({ clock }).connections;
  const machine = asMachineId("m_1");
  const ann = asUserId("u_ann");
  await directory.renew(machine, 1_000_000);
  const first = Promise.withResolvers<void>();
  let addings = 0;
  const rows = new ConnectionRows({
    directory: {
      ...directory,
      add(user, to) {
        addings += 1;
        return addings === 1 ? first.promise : directory.add(user, to);
      },
    },
    machine,
    clock,
    log: pino({ level: "silent" }),
  });

  rows.release(rows.retain(ann));
  await clock.advance(40_000);
  const stays = rows.retain(ann);
  await stays.registered;
  first.reject(new TidingsError("unavailable"));
  await clock.advance(0);
  rows.release(rows.retain(ann));
  await clock.advance(40_000);
  expect([...(await directory.machinesOf([ann]))]).toEqual([machine]);

  rows.release(stays);
  await clock.advance(40_000);
  expect([...(await directory.machinesOf([ann]))]).toEqual([]);
});
