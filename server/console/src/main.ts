/** The console's page: finds its parts, ties them together and connects. */
import { decodeValue } from "@dunlin/client";
import { Link } from "./connection/link.ts";
import { StoredToken } from "./connection/token.ts";
import { Feed } from "./figures/feed.ts";
import { byId } from "./page/dom.ts";
import { JoinForm } from "./page/joinform.ts";
import { LinkView } from "./page/linkview.ts";
import { Rooms } from "./page/rooms.ts";
import { ServerPanel } from "./page/serverpanel.ts";
import { Shortcuts } from "./page/shortcuts.ts";
import { Tabs } from "./page/tabs.ts";
import { TokenCard } from "./page/tokencard.ts";

const link = new Link(new URL(location.href), new StoredToken());
const feed = new Feed();
link.add(feed);

const tabs = new Tabs(byId("tabs", HTMLElement));
const rooms = new Rooms(link, tabs, decodeValue);
const join = new JoinForm((wanted, fromOldest) => rooms.open(wanted, fromOldest));
const linkView = new LinkView(link);
const server = new ServerPanel(feed, link, (topic) => rooms.open({ topic, delivery: "reliable" }, false));
new TokenCard(link, feed);
tabs.add("server", "Server", byId("panel-server", HTMLElement), () => server.draw());
new Shortcuts(
  [
    { key: "j", text: "Join a topic", act: () => join.focus() },
    { key: "[", text: "The tab before", act: () => tabs.move(-1) },
    { key: "]", text: "The next tab", act: () => tabs.move(1) },
    {
      key: "p",
      text: "Pause the list of events, or follow it",
      act: () => rooms.current?.list.toggleFollow(),
    },
    { key: "e", text: "Go to the list of events", act: () => rooms.current?.list.focus() },
    { key: "n", text: "Write a new event", act: () => rooms.current?.composer.focus() },
  ],
  (place) => tabs.showAt(place),
);

rooms.restore(location.hash);
setInterval(() => {
  const now = Date.now();
  link.tick(now);
  rooms.tick(now);
  linkView.draw();
}, 1_000);
void link.connect();
