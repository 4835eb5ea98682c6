import * as client from "@dunlin/client";
import { Datagrams } from "@dunlin/client/datagrams";
import { Ear } from "./ear.ts";
import * as raw from "./raw.ts";
import { Ticker } from "./ticker.ts";

const api = { ...client, ...raw, Datagrams, Ear, Ticker };

/** What the page offers to the tests, as `dunlin`. */
export type Api = typeof api;

Object.assign(globalThis, { dunlin: api });
