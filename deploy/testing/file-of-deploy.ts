import { fileURLToPath } from "node:url";

/** The path of a file that stands in `deploy/`, from its path there. */
export const fileOfDeploy = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
