import { UnreachableError } from "@tidings/client";
import { errorCatalogue, TidingsError } from "@tidings/protocol";

/** How the command ends. Scripts rely on these numbers. */
export const exitCodes = { ok: 0, failure: 1, usage: 2, unreachable: 3, refused: 4, interrupted: 130 } as const;

export const exitCodesHelp = `Exit codes:
  0  done
  1  failed: the server had a fault, or the replay lost, doubled or misordered something
  2  the command was used wrongly
  3  the server cannot be reached
  4  the server refused: not logged in, not allowed, not found
  130  interrupted`;

/** A failure that is told in one sentence, without a stack: the user, or the world, can do something about it. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "CommandFailure";
    this.exitCode = options.exitCode ?? exitCodes.failure;
  }
}

export const usageFailure = (message: string): CommandFailure =>
  new CommandFailure(message, { exitCode: exitCodes.usage });

export const refusal = (message: string): CommandFailure =>
  new CommandFailure(message, { exitCode: exitCodes.refused });

/** What to print, and how to exit, for anything thrown. `code` is the catalogue's where the server refused. */
export type FailureReport = { readonly line: string; readonly exitCode: number; readonly code?: string };

export function describeFailure(error: unknown): FailureReport {
  if (error instanceof CommandFailure) return { line: error.message, exitCode: error.exitCode };
  if (error instanceof UnreachableError) {
    const hint = "Is the server running? `tidings serve` starts one.";
    return { line: `${error.message} ${hint}`, exitCode: exitCodes.unreachable };
  }
  if (error instanceof TidingsError) return describeRefusal(error);
  const fileReason = describeFileError(error);
  if (fileReason !== undefined) return { line: fileReason, exitCode: exitCodes.failure };
  const reason = error instanceof Error ? error.message : String(error);
  return { line: `Unexpected: ${reason} (TIDINGS_DEBUG=1 shows where)`, exitCode: exitCodes.failure };
}

function describeRefusal(error: TidingsError): FailureReport {
  const { sentence, status } = errorCatalogue[error.code];
  const detail = error.detail === undefined || error.detail === sentence ? "" : ` ${error.detail}`;
  return {
    line: `${sentence}${detail}${hints[error.code] ?? ""} [${error.code}]`,
    exitCode: status >= 500 ? exitCodes.failure : exitCodes.refused,
    code: error.code,
  };
}

const logInAgain = " Log in again: tidings login NAME.";
const hints: Partial<Record<TidingsError["code"], string>> = {
  unauthenticated: logInAgain,
  "token-invalid": logInAgain,
  "token-expired": logInAgain,
  "token-revoked": logInAgain,
  "name-taken": " If it is yours: tidings login NAME.",
  "accounts-elsewhere": " Store its token: tidings login --token -.",
};

function describeFileError(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("path" in error) || typeof error.path !== "string") return undefined;
  const reasons: Record<string, string> = {
    ENOENT: "does not exist",
    EACCES: "may not be opened",
    EPERM: "may not be changed",
    EISDIR: "is a folder",
    ENOTDIR: "is not in a folder",
    ENOSPC: "does not fit on the disk",
    EROFS: "is on a read-only file system",
  };
  const reason = reasons[codeOf(error) ?? ""];
  return reason === undefined ? undefined : `${error.path} ${reason}.`;
}

const codeOf = (error: Error): string | undefined =>
  "code" in error && typeof error.code === "string" ? error.code : undefined;
