import { signUpOverWire, systemContract } from "@tidings/contract";
import { Tidings } from "./src/tidings-process.ts";

/** The suite that every composed system passes, over the program itself: its crash is SIGKILL, its databases are SQLite on a disk. */
systemContract("the server's program, killed", async () => {
  const tidings = await Tidings.start({ flags: ["--messages-per-second", "10000", "--messages-burst", "10000"] });
  return {
    signUp: () => signUpOverWire(() => tidings.url),
    async crash() {
      await tidings.kill();
      await tidings.startAgain();
    },
    close: () => tidings.close(),
  };
});
