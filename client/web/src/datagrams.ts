/** Events in datagrams: imported apart, as `@dunlin/client/datagrams`, by applications that want only what is fresh. */
import type { Attendance } from "./attendance.ts";
import { DatagramProgress } from "./datagramprogress.ts";
import { type Flow, flowsOf } from "./flows.ts";
import type { DatagramMember } from "./member.ts";
import type { DatagramReader } from "./options.ts";
import type { Position } from "./position.ts";

/**
 * Asks for events in datagrams: each one at once or not at all, for what is soon out of date.
 *
 * ```ts
 * const cursors = client.join("cursors", { delivery: new Datagrams() });
 * cursors.on("event", ({ data, key }) => show(key, data));
 * ```
 *
 * What is lost on the way is not repeated, and no gap is told; an event that was overtaken by a newer one is dropped. What does not
 * fit into a datagram comes on the stream, and so does what `rewind` asks for. Over WebSocket, and from servers that have no
 * datagrams, events come as with `"latest"`: {@link JoinedMessage.delivery} tells.
 */
export class Datagrams implements DatagramReader {
  readonly mode = "datagram";

  /** @internal */
  attach(topic: string, since: Position | undefined): DatagramMember {
    const progress = new DatagramProgress(topic, since);
    return { progress, open: (attendance) => open(progress, attendance) };
  }
}

function open(progress: DatagramProgress, attendance: Attendance): number | undefined {
  const { live, member } = attendance;
  const flow = flowsOf(live.connection)?.open(() => {
    live.received();
    member.bell.ring();
  });
  if (flow !== undefined) void handOut(flow, progress, attendance);
  return flow?.number;
}

/** Hands the events of a flow out when their turn comes, as those of a stream are. */
async function handOut(flow: Flow, progress: DatagramProgress, attendance: Attendance): Promise<void> {
  const { member } = attendance;
  const mayTake = () => attendance.isJoined && !flow.isEmpty && member.hasRoom;
  for (;;) {
    await member.bell.until(() => attendance.isOver || mayTake());
    if (attendance.isOver) break;
    const event = flow.take();
    if (event !== undefined) member.deliver(progress.datagram(event));
  }
  flow.close();
}
