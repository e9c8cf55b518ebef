/**
 * What carries one client's frames, as far as the Receive Service needs to know: a WebSocket of `ws` and the TCP socket under it, or
 * whatever a simulator puts in their place. Frames are written to the socket as bytes that hold their WebSocket header.
 */
export type ClientLink = {
  readonly webSocket: ClientWebSocket;
  readonly socket: ClientSocket;
  readonly pending: PendingSockets;
};

export interface ClientWebSocket {
  /** Reads nothing more until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends in order, with a close code. */
  close(code: number, reason: string): void;
  /** Ends at once. */
  terminate(): void;
}

export interface ClientSocket {
  readonly writable: boolean;
  /** Bytes that were written and are not sent. */
  readonly writableLength: number;
  /** Is somebody told when everything is sent? */
  readonly writableNeedDrain: boolean;
  write(frame: Uint8Array): boolean;
  cork(): void;
  uncork(): void;
}

/** Where sockets are counted that have not said who they are. */
export interface PendingSockets {
  end(socket: ClientSocket): void;
}
