import { chmod, link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where logins are kept: a folder for each server, a file for each user of it, and a file that names the current one. A file a login,
 * each replaced as a whole, so that commands which run at the same time cannot undo each other. Folders have mode 0700, files 0600:
 * a token is as good as a password.
 */
export type Login = {
  readonly user_id: string;
  readonly name: string;
  readonly token: string;
};

export type LoginStore = ReturnType<typeof createLoginStore>;

/** `$TIDINGS_CONFIG`, else `$XDG_CONFIG_HOME/tidings`, else `~/.config/tidings`. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  if (env["TIDINGS_CONFIG"]) return env["TIDINGS_CONFIG"];
  return join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "tidings");
}

/** The logins at one server. A profile is a user's name in whatever case. */
export function createLoginStore(folder: string, url: string) {
  const serverFolder = join(folder, "servers", encodeURIComponent(url));
  const currentPath = join(serverFolder, "current");
  const pathOf = (profile: string) => join(serverFolder, `${encodeURIComponent(profile.toLowerCase())}.json`);

  return {
    /** The login of a profile, or of the current one. Undefined where there is none. */
    async load(profile?: string): Promise<Login | undefined> {
      const chosen = profile ?? (await readIfThere(currentPath))?.trim();
      if (chosen === undefined || chosen === "") return undefined;
      const text = await readIfThere(pathOf(chosen));
      return text === undefined ? undefined : (JSON.parse(text) as Login);
    },

    /** Keeps a login and makes it the current one. */
    async save(login: Login): Promise<void> {
      await writePrivate(pathOf(login.name), `${JSON.stringify(login, undefined, 2)}\n`);
      await writePrivate(currentPath, `${login.name}\n`);
    },

    /** Forgets a login; again is the same. */
    async forget(login: Login): Promise<void> {
      await rm(pathOf(login.name), { force: true });
      if ((await readIfThere(currentPath))?.trim() === login.name) await rm(currentPath, { force: true });
    },
  };

  async function writePrivate(path: string, text: string): Promise<void> {
    for (const part of [folder, join(folder, "servers"), serverFolder]) {
      await mkdir(part, { recursive: true, mode: 0o700 });
      // It may be older than this program, or made under another umask.
      await chmod(part, 0o700);
    }
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, text, { mode: 0o600, flag: "wx" });
    await rename(draft, path);
  }
}

/** A file of the config folder that holds a secret of this machine, made at the first use. */
export async function readOrMakeSecret(folder: string, name: string, make: () => string): Promise<string> {
  const path = join(folder, name);
  const known = await readIfThere(path);
  if (known !== undefined) return known.trim();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, `${make()}\n`, { mode: 0o600, flag: "wx" });
  try {
    // A link appears whole or not at all, and never replaces.
    await link(draft, path);
  } catch (error) {
    // Another command was faster: its secret is ours too.
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return (await readFile(path, "utf8")).trim();
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
