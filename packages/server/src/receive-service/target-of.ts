import { type SendFrame, TidingsError } from "@tidings/protocol";
import type { Target } from "../services.ts";

/** Where a send goes; a schema cannot say that it is one of two. */
export function targetOf(frame: SendFrame): Target {
  if (frame.conversation !== undefined && frame.to === undefined) return { conversation: frame.conversation };
  if (frame.to !== undefined && frame.conversation === undefined) return { to: frame.to };
  throw new TidingsError("invalid-request", { detail: "A send has either a conversation or a user to go to." });
}
