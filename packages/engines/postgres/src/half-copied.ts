import { TidingsError } from "@tidings/protocol";
import type { Client } from "pg";
import { withSetupConnection } from "./migrate.ts";

/** Is a part of an installation still to be copied in? Its tables are there. */
export async function isHalfCopied(client: Client): Promise<boolean> {
  return (await client.query("SELECT FROM archive_source WHERE NOT finished")).rows.length > 0;
}

/**
 * An installation of which a part is still to be copied in is not served: clients would be told of heads that are not the true ones, and
 * what they write would stand where something else has to. Rejects with `unavailable`, whose detail is a sentence for the operator.
 */
export async function refuseHalfCopied(url: string): Promise<void> {
  await withSetupConnection(url, async (client) => {
    if (!(await isHalfCopied(client))) return;
    throw new TidingsError("unavailable", {
      detail:
        "An installation is being migrated into this database, and not all of it is there: run tidings migrate to its end.",
    });
  });
}
