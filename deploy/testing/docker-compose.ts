import { fileOfLaterPackage } from "@tidings/cluster/servers/later-debian-package.ts";
import { type Outcome, outcomeOf } from "./program.ts";

export type DockerCompose = (args: readonly string[], env: Readonly<Record<string, string>>) => Promise<Outcome>;

/**
 * Docker Compose 2 or newer, which needs no engine to read a file: Docker's own if it is there, else that of a later Debian. Rejects with a
 * sentence where there is none.
 */
export async function findDockerCompose(): Promise<DockerCompose> {
  if (await isDockerCompose()) return (args, env) => outcomeOf("docker", ["compose", ...args], { env });
  const program = await fileOfLaterPackage("docker-compose", { file: "usr/libexec/docker/cli-plugins/docker-compose" });
  return (args, env) => outcomeOf(program, args, { env });
}

async function isDockerCompose(): Promise<boolean> {
  try {
    const { code, output } = await outcomeOf("docker", ["compose", "version", "--short"]);
    return code === 0 && Number(/\d+/.exec(output)?.[0]) >= 2;
  } catch (error) {
    // There is no docker at all.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
