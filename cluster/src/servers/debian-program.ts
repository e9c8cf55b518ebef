import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { installDebianPackages, whyNotInstallable } from "./debian-package.ts";

/** The path of a program of a Debian package, which is installed where that is possible. Rejects with a sentence where it is not. */
export async function debianProgram(wanted: { readonly package: string; readonly program: string }): Promise<string> {
  const found = findProgram(wanted.program);
  if (found !== undefined) return found;
  const reason = whyNotInstallable();
  if (reason !== undefined) throw new Error(`${wanted.program} was not found, and cannot be installed: ${reason}.`);
  await installDebianPackages([wanted.package]);
  const installed = findProgram(wanted.program);
  if (installed === undefined) throw new Error(`The package ${wanted.package} has no program ${wanted.program}.`);
  return installed;
}

/** Debian keeps programs for administrators in folders that are not in everybody's PATH. */
function findProgram(program: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}
